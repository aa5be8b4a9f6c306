"""What is kept from training: disjoint from it, as large as was asked for, of the same mix of classes."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from profl_ray.errors import UserError
from profl_ray.federation.held_out import own_test_shares, validation_part

NUM_CLASSES = 4
FEDERATIONS = st.lists(
    st.lists(st.integers(0, NUM_CLASSES - 1), min_size=1, max_size=30), min_size=1, max_size=6
)


def dealt(devices):
    """Return the labels of all, and each device's positions, in a mixed order."""
    labels = np.array([label for device in devices for label in device])
    places = np.random.default_rng(1).permutation(len(labels))
    shares = np.split(places, np.cumsum([len(device) for device in devices])[:-1])
    mixed = np.empty_like(labels)
    mixed[places] = labels
    return mixed, shares


@given(FEDERATIONS, st.floats(0.01, 0.99), st.integers(0, 99))
def test_a_devices_own_test_is_its_share_and_no_class_is_lost(devices, share, seed):
    labels, shares = dealt(devices)
    trained, tested = own_test_shares(shares, labels, NUM_CLASSES, share, seed)
    for own, train, test in zip(shares, trained, tested, strict=True):
        assert (np.diff(train) > 0).all() and (np.diff(test) > 0).all()
        assert sorted([*train.tolist(), *test.tolist()]) == sorted(own.tolist())
        assert set(labels[train].tolist()) == set(labels[own].tolist())
        spare = len(own) - len(set(labels[own].tolist()))
        assert len(test) == min(max(round(share * len(own)), 1), spare)


def test_an_own_test_has_the_devices_mix_of_classes():
    labels, shares = dealt([[0] * 40 + [1] * 20 + [2] * 2, [3] * 10])
    trained, tested = own_test_shares(shares, labels, NUM_CLASSES, 0.5, 0)
    assert np.bincount(labels[tested[0]], minlength=4).tolist() in ([20, 10, 1, 0], [21, 10, 0, 0])
    assert len(tested[1]) == len(trained[1]) == 5


def test_one_example_of_each_class_leaves_no_own_test():
    labels, shares = dealt([[0, 1, 2, 3], [0, 0]])
    trained, tested = own_test_shares(shares, labels, NUM_CLASSES, 0.5, 0)
    assert [len(share) for share in tested] == [0, 1] and len(trained[0]) == 4
    assert tested[0].dtype == np.int64


def test_own_tests_are_drawn_by_the_seed():
    labels, shares = dealt([[0] * 50, [1] * 50])
    drawn = [own_test_shares(shares, labels, NUM_CLASSES, 0.2, seed)[1] for seed in (0, 0, 1)]
    assert np.array_equal(drawn[0], drawn[1]) and not np.array_equal(drawn[0], drawn[2])
    # Not the first or last of each device.
    assert ranks_of(shares, drawn[0]) not in (list(range(10)), list(range(40, 50)))


def ranks_of(shares, tested):
    return np.flatnonzero(np.isin(np.sort(shares[0]), tested[0])).tolist()


@given(st.lists(st.integers(0, NUM_CLASSES - 1), min_size=20, max_size=200), st.floats(0.05, 0.95))
def test_the_validation_part_keeps_the_mix_and_spares_the_last_of_a_class(labels, share):
    labels = np.array(labels)
    part = validation_part(labels, NUM_CLASSES, share)
    counts = np.bincount(labels, minlength=NUM_CLASSES)
    spare = np.maximum(counts - 1, 0)
    assert (np.diff(part) > 0).all() and part.dtype == np.int64
    assert len(part) == min(round(share * len(labels)), spare.sum())
    taken = np.bincount(labels[part], minlength=NUM_CLASSES)
    assert (taken <= spare).all()
    np.testing.assert_allclose(taken, len(part) * spare / spare.sum(), atol=1)


@pytest.mark.parametrize(("labels", "share"), [([0, 1, 2, 3], 0.5), ([0] * 100, 0.001)])
def test_a_share_that_is_no_example_is_refused(labels, share):
    with pytest.raises(UserError, match=rf"data.validation={share:g}: of {len(labels)} training examples"):
        validation_part(np.array(labels), NUM_CLASSES, share)
