"""Where a narrow network lies inside the full one: the channels of every axis of every tensor."""

from collections.abc import Mapping

import numpy as np

Slices = tuple[np.ndarray, ...]
"""For each axis of a tensor the indices, int64, that a narrow network's tensor has there."""


def window(size: int, narrow_size: int, shift: int) -> np.ndarray:
    """Return the `narrow_size` channels of `size` from channel `shift` on, around the end; int64.

    All of them, in their order, where nothing is cut: images and classes never roll.
    """
    assert 0 < narrow_size <= size
    if narrow_size == size:
        return np.arange(size)
    return (shift + np.arange(narrow_size)) % size


def slices_of(
    shapes: Mapping[str, tuple[int, ...]], narrow_shapes: Mapping[str, tuple[int, ...]], shift: int = 0
) -> dict[str, Slices]:
    """Return the slices of each tensor of the narrow network; shift 0: its first channels (HeteroFL).

    Axes of equal sizes get equal channels, so a layer's inputs are the outputs of the layer before it, and
    both branches of a residual block keep the same channels.
    """
    return {
        name: tuple(
            window(size, narrow, shift) for size, narrow in zip(shapes[name], narrow_shape, strict=True)
        )
        for name, narrow_shape in narrow_shapes.items()
    }
