"""Directions: the bits that were recorded, from whole or from pieces, with the moments that they promise."""

from hashlib import sha256
from itertools import pairwise

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from profl_ray.training import Layout
from profl_ray.training.directions import direction, direction_part

LAYOUT = Layout.of({"units.0.weight": (7, 5, 3), "scalar": (), "none": (0,), "head.weight": (300, 311)})
STREAM = ("zeroth order", "grow 2", 17)
KINDS = ("rademacher", "gaussian")
RECORDED = {
    "rademacher": "41d92a1c44f80037817b28be59ebe84f7dde224875c4c05c16b7a02c34f503cf",
    "gaussian": "9ac80a8838366a77e558e56bc7bc2556fbf8ec042cb7852d4518da593271e2a5",
}
"""SHA-256 of the little-endian float32 numbers: the same on every machine and with every NumPy."""


@pytest.mark.parametrize("kind", KINDS)
def test_the_bits_are_those_that_were_recorded(kind):
    numbers = direction(42, STREAM, LAYOUT, 3, kind)
    assert numbers.dtype == np.float32 and numbers.shape == (LAYOUT.size,)
    assert sha256(numbers.astype("<f4").tobytes()).hexdigest() == RECORDED[kind]


@given(st.sampled_from(KINDS), st.lists(st.integers(0, 300 * 311), max_size=6), st.integers(0, 3))
def test_pieces_are_those_of_the_whole(kind, cuts, index):
    whole = LAYOUT.unpack(direction(1, STREAM, LAYOUT, index, kind))["head.weight"].reshape(-1)
    stops = [0, *sorted(cuts), whole.size]
    pieces = [
        direction_part(1, STREAM, "head.weight", index, start, stop, kind) for start, stop in pairwise(stops)
    ]
    assert [piece.size for piece in pieces] == np.diff(stops).tolist()
    assert np.concatenate(pieces).tobytes() == whole.tobytes()


@pytest.mark.parametrize("kind", KINDS)
def test_a_tensors_numbers_do_not_depend_on_what_lies_beside_it(kind):
    alone = Layout.of({"head.weight": (300, 311)})
    turned = Layout.of({name: LAYOUT.shapes[LAYOUT.names.index(name)] for name in reversed(LAYOUT.names)})
    expected = LAYOUT.unpack(direction(1, STREAM, LAYOUT, 0, kind))
    for other in (alone, turned):
        for name, values in other.unpack(direction(1, STREAM, other, 0, kind)).items():
            assert values.tobytes() == expected[name].tobytes()


def test_every_part_of_the_name_changes_the_numbers():
    one = Layout.of({"a": (256,)})
    drawn = [
        direction(1, STREAM, one, 0),
        direction(2, STREAM, one, 0),
        direction(1, (*STREAM, 1), one, 0),
        direction(1, STREAM, one, 1),
        direction(1, STREAM, Layout.of({"b": (256,)}), 0),
        np.sign(direction(1, STREAM, one, 0, "gaussian")),
    ]
    assert len({numbers.tobytes() for numbers in drawn}) == len(drawn)


def test_signs_are_fair_and_independent():
    rows = np.stack([direction(5, STREAM, Layout.of({"a": (1 << 16,)}), index) for index in range(16)])
    assert set(np.unique(rows)) == {-1.0, 1.0}
    scale = np.sqrt(rows.shape[1])
    assert np.abs(rows.sum(axis=1)).max() < 5 * scale
    products = rows @ rows.T - np.eye(16) * rows.shape[1]
    assert np.abs(products).max() < 5 * scale
    # Bits of a word, and words, follow each other without a trace.
    for lag in (1, 8, 63, 64, 65):
        assert abs((rows[:, lag:] * rows[:, :-lag]).sum()) < 5 * np.sqrt(rows[:, lag:].size)


def test_normal_numbers_have_the_moments_and_the_tails_of_the_normal_distribution():
    numbers = direction(5, STREAM, Layout.of({"a": (1 << 20,)}), 0, "gaussian").astype(np.float64)
    count = numbers.size
    for power, (moment, variance) in {1: (0, 1), 2: (1, 2), 3: (0, 15), 4: (3, 96)}.items():
        assert abs((numbers**power).mean() - moment) < 5 * np.sqrt(variance / count)
    for bound, share in ((1.0, 0.31731051), (2.0, 0.04550026), (3.0, 0.00269980), (4.0, 6.334e-5)):
        assert abs((np.abs(numbers) > bound).sum() - share * count) < 5 * np.sqrt(share * count)
    neighbours = numbers.reshape(-1, 2)
    assert abs((neighbours[:, 0] * neighbours[:, 1]).mean()) < 5 / np.sqrt(count / 2)


@pytest.mark.parametrize("kind", KINDS)
def test_the_mean_of_many_directions_finds_a_gradient_again(kind):
    gradient = np.linspace(-1, 1, 40, dtype=np.float32)
    layout = Layout.of({"a": (40,)})
    found = np.zeros(40)
    for index in range(4000):
        along = direction(3, STREAM, layout, index, kind)
        found += along * float(along @ gradient)
    # The variance of a coordinate is about |g|^2 over the number of directions.
    np.testing.assert_allclose(found / 4000, gradient, atol=5 * np.linalg.norm(gradient) / np.sqrt(4000))
