"""Random directions that the server and every device of a round make for themselves, and have alike.

A direction is a function of the root seed, a named stream, its index and the *names* of the tensors: whatever
else a layout holds, in whatever order, a tensor's numbers are the same. So a device that trains a part of the
tensors has that part of the direction, and what is sent is one scalar a direction instead of an update.

Promised for both kinds, as recorded digests hold us to (tests/training/test_directions.py): the same bits on
every processor and with every release of NumPy. They come from raw words of PCG64, which NumPy keeps stable
(NEP 19), by integer operations, tables, and float64 sums, products, quotients and square roots, each of which
IEEE 754 rounds in one way. `torch.randn` gives other numbers on another processor, and NumPy's normals may
with another libm.
"""

from typing import Literal

import numpy as np

from profl_ray.randomness import stream_seed
from profl_ray.training.layout import Layout
from profl_ray.training.normal import normal_quantiles

Kind = Literal["rademacher", "gaussian"]
"""rademacher: signs, -1 or 1; gaussian: standard normal. For both, v v' is the identity in expectation."""

_SIGNS = (2 * ((np.arange(256)[:, None] >> np.arange(8)) & 1) - 1).astype(np.float32)
"""float32 [256, 8]: the signs in a byte, its lowest bit first."""
_NUMBERS_PER_WORD = {"rademacher": 64, "gaussian": 2}
CHUNK = 1 << 16
"""Numbers made at a time: a multiple of those in a word; bounds what lies beside the result."""


def direction(
    seed: int, stream: tuple[str | int, ...], layout: Layout, index: int, kind: Kind = "rademacher"
) -> np.ndarray:
    """Return direction `index` (from 0) of the stream for the tensors of `layout`: float32 [layout.size].

    `stream` names the draw under the root `seed`: whoever names the same has the same directions.
    """
    flat = np.empty(layout.size, np.float32)
    for name, values in layout.unpack(flat).items():
        _fill(values.reshape(-1), seed, stream, name, index, kind, 0)
    return flat


def direction_part(
    seed: int,
    stream: tuple[str | int, ...],
    name: str,
    index: int,
    start: int,
    stop: int,
    kind: Kind = "rademacher",
) -> np.ndarray:
    """Return the numbers start..stop-1 that `direction` has for the tensor `name`: float32 [stop - start].

    The rest is skipped, not made: a tensor can be treated piece by piece without the room for its direction.
    """
    assert 0 <= start <= stop
    values = np.empty(stop - start, np.float32)
    _fill(values, seed, stream, name, index, kind, start)
    return values


def _fill(
    values: np.ndarray,
    seed: int,
    stream: tuple[str | int, ...],
    name: str,
    index: int,
    kind: Kind,
    start: int,
) -> None:
    """Fill `values` [n], in place, with the tensor's numbers from `start` on."""
    per_word = _NUMBERS_PER_WORD[kind]
    words = np.random.PCG64(stream_seed(seed, "direction", kind, *stream, index, name))
    words.advance(start // per_word)
    skipped, done = start % per_word, 0
    while done < len(values):
        count = min(CHUNK - skipped, len(values) - done)
        num_words = -(-(skipped + count) // per_word)
        raw = words.random_raw(num_words).astype("<u8", copy=False)
        numbers = _signs(raw) if kind == "rademacher" else _normals(raw)
        values[done : done + count] = numbers[skipped : skipped + count]
        done, skipped = done + count, 0


def _signs(raw: np.ndarray) -> np.ndarray:
    """Return a sign per bit of the words, the lowest bit of the first word first: float32 [64 * words]."""
    # `take` is eight times as fast as indexing here.
    return np.take(_SIGNS, raw.view(np.uint8), axis=0).reshape(-1)


def _normals(raw: np.ndarray) -> np.ndarray:
    """Return two standard normal numbers per word, its lower half's first: float32 [2 * words]."""
    return normal_quantiles((raw.view("<u4") + 0.5) * 2.0**-32).astype(np.float32)
