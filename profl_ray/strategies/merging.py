"""Merging updates of different sub-models: per coordinate, the mean over the devices that own it.

A coordinate that no device trained keeps its value. Means are weighted by images, as everywhere here.
"""

from collections.abc import Mapping, Sequence

import numpy as np

from profl_ray.models.slicing import Slices
from profl_ray.training import LocalTask, State, TaskSum


def merge_whole(tasks: Sequence[LocalTask], sums: Mapping[int, TaskSum]) -> State:
    """Return the new values of every tensor that some task trained; tensors are owned whole."""
    totals: State = {}
    num_images: dict[str, int] = {}
    for index, addend in sorted(sums.items()):
        for name, total in tasks[index].moving.unpack(addend.total).items():
            totals[name] = totals[name] + total if name in totals else total
            num_images[name] = num_images.get(name, 0) + addend.num_images
    return {name: total / np.float32(num_images[name]) for name, total in totals.items()}


def merge_slices(
    weights: State,
    tasks: Sequence[LocalTask],
    slices: Sequence[Mapping[str, Slices]],
    sums: Mapping[int, TaskSum],
) -> State:
    """Return the new values of every tensor of which some task trained a part.

    slices: for each task the coordinates of its tensors inside those of `weights`.
    """
    totals: State = {}
    num_images: dict[str, np.ndarray] = {}
    for index, addend in sorted(sums.items()):
        for name, total in tasks[index].moving.unpack(addend.total).items():
            if name not in totals:
                totals[name] = np.zeros_like(weights[name])
                num_images[name] = np.zeros(weights[name].shape, dtype=np.float32)
            at = np.ix_(*slices[index][name])
            totals[name][at] += total
            num_images[name][at] += np.float32(addend.num_images)
    merged = {}
    for name, total in totals.items():
        owned = num_images[name] > 0
        merged[name] = np.divide(total, num_images[name], out=weights[name].copy(), where=owned)
    return merged
