import json
import pickle

import numpy as np
import pytest
from hypothesis import assume, given
from hypothesis import strategies as st

from profl_ray.config import DataConfig, SplitConfig
from profl_ray.errors import UserError
from profl_ray.federation import PARTITIONERS, DataSplit, split_examples

LABELS = np.repeat(np.arange(5), 40)
GROUPS = np.arange(200) % 11


def _config(name="iid", examples_per_device=None, **options):
    return DataConfig(examples_per_device=examples_per_device, split=SplitConfig(name=name, **options))


@st.composite
def federations(draw):
    """Return labels, a number of devices and images per device that there are enough labels for."""
    num_devices = draw(st.integers(1, 8))
    labels = draw(st.lists(st.integers(0, 4), min_size=8 * num_devices, max_size=150))
    most = len(labels) // num_devices
    return np.array(labels), num_devices, draw(st.none() | st.integers(4, most))


@given(
    federations(),
    st.sampled_from(sorted(PARTITIONERS)),
    st.floats(0.05, 1e4),
    st.integers(0, 2**40),
)
def test_splits_are_disjoint_and_complete(federation, name, alpha, seed):
    labels, num_devices, examples_per_device = federation
    config = _config(name, examples_per_device, alpha=alpha, max_tries=200)
    groups = np.arange(len(labels)) % num_devices
    try:
        split = split_examples(labels, 5, num_devices, config, seed, groups)
    except UserError:
        assume(False)  # A drawn share was below the minimum size in every try.
    assert len(split.indices) == num_devices
    assert all(share.dtype == np.int64 and (np.diff(share) > 0).all() for share in split.indices)
    dealt = np.concatenate(split.indices)
    assert len(np.unique(dealt)) == len(dealt)
    assert len(dealt) == (num_devices * examples_per_device if examples_per_device else len(labels))
    assert set(dealt.tolist()) <= set(range(len(labels)))
    assert split.sizes.min() >= 2
    again = split_examples(labels, 5, num_devices, config, seed, groups)
    assert again.digest == split.digest


@pytest.mark.parametrize("name", sorted(PARTITIONERS))
def test_another_seed_gives_another_split(name):
    digests = {split_examples(LABELS, 5, 4, _config(name), seed, GROUPS).digest for seed in range(4)}
    assert len(digests) == 4


def test_a_part_keeps_the_mix_of_classes():
    labels = np.repeat(np.arange(3), [100, 200, 300])
    split = split_examples(labels, 3, 6, _config(examples_per_device=10), 0)
    assert split.sizes.tolist() == [10] * 6
    assert split.histogram(labels, 3).sum(axis=0).tolist() == [10, 20, 30]


def test_too_few_examples_for_examples_per_device():
    with pytest.raises(
        UserError, match=r"examples_per_device=51 .* needs 204 .* there are 200: at most 50 per device"
    ):
        split_examples(LABELS, 5, 4, _config(examples_per_device=51), 0)


def test_too_few_examples_for_min_examples():
    with pytest.raises(UserError, match=r"200 training examples are too few .*devices=101 .*min_examples=2"):
        split_examples(LABELS, 5, 101, _config(), 0)


def test_shards_below_min_examples():
    config = _config("shards", shards_per_device=30, min_examples=20)
    with pytest.raises(
        UserError, match=r"smallest share of 10 devices has \d+ examples, below .*min_examples=20"
    ):
        split_examples(LABELS, 5, 10, config, 0)


def test_an_unknown_split_is_named():
    config = DataConfig.model_construct(split=SplitConfig.model_construct(name="dirichlett"))
    with pytest.raises(UserError, match="unknown split 'dirichlett'; did you mean 'dirichlet'"):
        split_examples(LABELS, 5, 4, config, 0)


def test_the_digest_sees_sizes_and_indices():
    def digest(*shares):
        return DataSplit(tuple(np.array(share, np.int64) for share in shares)).digest

    digests = {digest([0, 1], [2]), digest([0], [1, 2]), digest([0, 2], [1]), digest([0, 1, 2], [])}
    assert len(digests) == 4
    assert digest([0, 1], [2]) == digest([0, 1], [2])


@given(
    federations(),
    st.sampled_from(sorted(PARTITIONERS)),
    st.floats(0.05, 0.5),
    st.floats(0.05, 0.5),
    st.integers(0, 2**40),
)
def test_what_is_kept_from_training_is_in_no_share(federation, name, own_test, validation, seed):
    labels, num_devices, _ = federation
    config = _config(name, alpha=1e4, max_tries=200, own_test=own_test).model_copy(
        update={"validation": validation}
    )
    try:
        split = split_examples(labels, 5, num_devices, config, seed, np.arange(len(labels)) % num_devices)
    except UserError:
        assume(False)  # Too little is left for some device.
    assert split.own_tests is not None and len(split.own_tests) == num_devices
    parts = [*split.indices, *split.own_tests, split.validation]
    assert sorted(np.concatenate(parts).tolist()) == list(range(len(labels)))
    assert split.sizes.tolist() == [len(share) for share in split.indices]


def test_the_validation_part_is_the_same_for_every_seed_and_split():
    configs = [_config(), _config("shards"), _config(examples_per_device=20)]
    kept = [
        split_examples(LABELS, 5, 4, config.model_copy(update={"validation": 0.25}), seed)
        for config in configs
        for seed in (0, 1)
    ]
    assert all(np.array_equal(split.validation, kept[0].validation) for split in kept)
    assert np.bincount(LABELS[kept[0].validation]).tolist() == [10] * 5
    assert len({split.digest for split in kept}) == len(kept)


def test_what_is_kept_from_training_is_named_where_too_little_is_left():
    with pytest.raises(UserError, match=r"below data.split.min_examples=20: .*or data.split.own_test"):
        split_examples(LABELS, 5, 10, _config(min_examples=20, own_test=0.3), 0)
    config = _config(min_examples=20).model_copy(update={"validation": 0.3})
    with pytest.raises(UserError, match=r"140 training examples are too few .*or lower data.validation"):
        split_examples(LABELS, 5, 10, config, 0)


def test_the_digest_sees_what_is_kept_from_training():
    share = [np.array([0, 1])]
    splits = [
        DataSplit(share),
        DataSplit(share, [np.array([2])]),
        DataSplit(share, [np.array([3])]),
        DataSplit(share, None, np.array([2])),
        DataSplit(share, None, np.array([2, 3])),
    ]
    assert len({split.digest for split in splits}) == len(splits)
    labels = np.zeros(4, int)
    told = json.loads(json.dumps(DataSplit(share, [np.array([2])], np.array([3])).to_json(labels, 1)))
    assert (told["own_tests"], told["validation"]) == ([[2]], [3])
    assert DataSplit(share).to_json(labels, 1).keys() == {"digest", "sizes", "histogram", "indices"}


def test_json_tells_digest_sizes_histogram_and_indices():
    labels = np.array([0, 1, 1, 0])
    split = DataSplit((np.array([0, 1, 2]), np.array([3])))
    told = json.loads(json.dumps(split.to_json(labels, 2)))
    indices = [[0, 1, 2], [3]]
    assert told == {
        "digest": split.digest,
        "sizes": [3, 1],
        "histogram": [[1, 2], [1, 0]],
        "indices": indices,
    }


def test_shares_are_a_sequence_of_views_and_travel_as_two_arrays():
    shares = [np.array([0, 1, 2]), np.array([], np.int64), np.array([7])]
    split = DataSplit(tuple(shares))
    assert [share.tolist() for share in split.indices] == [[0, 1, 2], [], [7]]
    assert split.indices[-1].tolist() == [7] and [len(share) for share in split.indices[:2]] == [3, 0]
    assert np.shares_memory(split.indices[0], split.indices.flat)
    with pytest.raises(IndexError):
        split.indices[3]
    buffers = []
    packed = pickle.dumps(split, protocol=5, buffer_callback=buffers.append)
    assert len(buffers) == 2 and len(packed) < 2000
    again = pickle.loads(packed, buffers=buffers)
    assert again.digest == split.digest and again.sizes.tolist() == [3, 0, 1]
