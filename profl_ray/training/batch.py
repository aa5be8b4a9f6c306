"""Batches of whatever a model takes: one tensor, or any nest of tuples, lists and dicts of tensors.

The first axis of every tensor is the batch. How a batch lies in memory is decided here and nowhere else.
"""

import torch
from torch import Tensor
from torch.utils._pytree import tree_flatten, tree_iter, tree_map, tree_unflatten

from profl_ray.models import Features

MEMORY_FORMAT = torch.channels_last
"""Of maps [N, C, H, W] and of the weights that work on them."""


def as_batch(inputs: Features, memory_format: torch.memory_format = MEMORY_FORMAT) -> Features:
    """Return a batch as models are given it: maps [N, C, H, W] with channels last, all else as it is."""
    if isinstance(inputs, Tensor):
        return inputs.contiguous(memory_format=memory_format) if inputs.dim() == 4 else inputs
    return tree_map(lambda leaf: as_batch(leaf, memory_format) if isinstance(leaf, Tensor) else leaf, inputs)


def kept_layout(features: Features) -> Features:
    """Return features with the strides of channels last, where they are maps [N, C, H, W].

    Where C, or H and W, are 1, several strides mean the same, and PyTorch chooses kernels by them: what comes
    from a file must look like what comes from a layer.
    """
    if not isinstance(features, Tensor):
        return tree_map(lambda leaf: kept_layout(leaf) if isinstance(leaf, Tensor) else leaf, features)
    if features.dim() != 4:
        return features.contiguous()
    features = features.contiguous(memory_format=MEMORY_FORMAT)
    _, channels, height, width = features.shape
    strides = (channels * height * width, 1, width * channels, channels)
    return features.as_strided(features.shape, strides, features.storage_offset())


def num_rows(inputs: Features) -> int:
    """Return the length of the first axis."""
    return next(len(leaf) for leaf in tree_iter(inputs) if isinstance(leaf, Tensor))


def rows(inputs: Features, indices: Tensor) -> Features:
    """Return copies of the rows at `indices`, int64 [n], in that order."""
    if isinstance(inputs, Tensor):
        return inputs[indices]
    return tree_map(lambda leaf: leaf[indices] if isinstance(leaf, Tensor) else leaf, inputs)


def split(inputs: Features, size: int) -> list[Features]:
    """Return views of `size` rows after another, the last perhaps of fewer."""
    if isinstance(inputs, Tensor):
        return list(inputs.split(size))
    leaves, form = tree_flatten(inputs)
    count = -(-num_rows(inputs) // size)
    parts = [leaf.split(size) if isinstance(leaf, Tensor) else (leaf,) * count for leaf in leaves]
    return [tree_unflatten(piece, form) for piece in zip(*parts, strict=True)]


def join(pieces: list[Features]) -> Features:
    """Return the rows of all pieces in one; the inverse of `split`."""
    if isinstance(pieces[0], Tensor):
        return torch.cat(pieces)
    flat = [tree_flatten(piece) for piece in pieces]
    joined = [
        torch.cat(leaves) if isinstance(leaves[0], Tensor) else leaves[0]
        for leaves in zip(*(leaves for leaves, _ in flat), strict=True)
    ]
    return tree_unflatten(joined, flat[0][1])
