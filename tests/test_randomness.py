"""Named streams: pinned, independent of each other and of every global generator."""

import os
import random
import subprocess
import sys
from pathlib import Path

import numpy as np
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from profl_ray.randomness import numpy_stream, stream_seed, torch_stream

PARTS = st.one_of(st.text(st.characters(exclude_characters="\x1f"), max_size=6), st.integers(0, 10**6))
NAMES = st.lists(PARTS, max_size=4).map(tuple)


def test_streams_are_pinned() -> None:
    """A checkpoint resumes with a later version: these numbers must never change."""
    assert stream_seed(42) == 4410206093815208491
    assert stream_seed(42, "local", 3, 1, 7) == 6155636824491060703
    assert numpy_stream(42, "cohort", 0, 1).integers(0, 1000, 4).tolist() == [693, 322, 587, 259]
    drawn = torch.randint(0, 1000, (4,), generator=torch_stream(42, "initialise", "head"))
    assert drawn.tolist() == [941, 743, 369, 151]


@settings(deadline=None)
@given(st.integers(0, 2**64), NAMES)
def test_a_seed_is_a_63_bit_number(seed: int, name: tuple[str | int, ...]) -> None:
    value = stream_seed(seed, *name)
    assert 0 <= value < 2**63 and value == stream_seed(seed, *name)
    torch_stream(seed, *name)


@settings(deadline=None)
@given(st.tuples(st.integers(0, 99), NAMES), st.tuples(st.integers(0, 99), NAMES))
def test_other_names_and_seeds_are_other_streams(one, other) -> None:
    def words(key):
        return [str(key[0]), *map(str, key[1])]

    same = stream_seed(one[0], *one[1]) == stream_seed(other[0], *other[1])
    assert same == (words(one) == words(other))


def test_parts_do_not_run_into_each_other() -> None:
    names = [
        ("ab", "c"),
        ("a", "bc"),
        ("abc",),
        ("a", "b", "c"),
        (1, 12),
        (11, 2),
        (112,),
        ("abc", ""),
        ("", "abc"),
    ]
    assert len({stream_seed(0, *name) for name in names}) == len(names)


def test_streams_of_neighbours_are_unrelated() -> None:
    draws = np.stack([numpy_stream(0, "local", 0, 0, device).random(400) for device in range(20)])
    correlation = np.corrcoef(draws) - np.eye(20)
    assert np.abs(correlation).max() < 0.25


def test_the_order_of_asking_changes_nothing() -> None:
    first = numpy_stream(1, "a").random(3)
    numpy_stream(1, "b").random(100)
    assert np.array_equal(numpy_stream(1, "a").random(3), first)


def test_no_global_generator_is_touched_or_read() -> None:
    before = (random.getstate(), np.random.get_state()[1].tolist(), torch.get_rng_state())
    one = numpy_stream(3, "x").random(2), torch.rand(2, generator=torch_stream(3, "x"))
    assert random.getstate() == before[0]
    assert np.random.get_state()[1].tolist() == before[1]
    assert torch.equal(torch.get_rng_state(), before[2])
    torch.rand(1)
    again = numpy_stream(3, "x").random(2), torch.rand(2, generator=torch_stream(3, "x"))
    torch.set_rng_state(before[2])
    assert np.array_equal(one[0], again[0]) and torch.equal(one[1], again[1])


def test_another_process_draws_the_same() -> None:
    """Python salts its own hashes per process; streams must not depend on them."""
    # Without the seconds that importing torch takes.
    code = "import sys, types; sys.modules['torch'] = types.SimpleNamespace(Generator=None);"
    code += "from profl_ray.randomness import stream_seed; print(stream_seed(42, 'm', 3))"
    draws = [
        subprocess.run(
            [sys.executable, "-c", code],
            capture_output=True,
            text=True,
            check=True,
            cwd=Path(__file__).parents[1],
            env=os.environ | {"PYTHONHASHSEED": salt},
        ).stdout
        for salt in ("1", "2")
    ]
    assert [int(draw) for draw in draws] == [stream_seed(42, "m", 3)] * 2
