"""In which way each device would train a task: with the least recomputation that its quota takes."""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Literal

import numpy as np

from profl_ray.memory import Need
from profl_ray.training import LocalTask

Recompute = Literal["none", "all", "auto"]


@dataclass(frozen=True)
class Ways:
    """One task on all devices."""

    recomputed: np.ndarray
    """How many of the task's units each device recomputes, the first ones first; -1 where its quota takes no
    way: int64 [num_devices]."""
    needs_mib: dict[int, float]
    """By number of recomputed units: of the ways that some device goes, the costliest first; of the cheapest
    one where no device can afford any."""


def find_ways(
    task: LocalTask, quotas_mib: np.ndarray, recompute: Recompute, estimate: Callable[[LocalTask], Need]
) -> Ways:
    """Return the way of each device; quotas_mib: float64 [num_devices].

    A device that can afford the plain way does not pay for recomputation, and where all can, nothing else is
    estimated. To recompute more may need more (the second pass of a large unit), so every number is asked.
    """
    most = task.num_recomputable
    counts = {"none": range(1), "all": range(most, most + 1), "auto": range(most + 1)}[recompute]
    recomputed = np.full(len(quotas_mib), -1, np.int64)
    found: dict[int, float] = {}
    for count in counts:
        found[count] = need_mib = estimate(task.recomputing(count)).mib
        recomputed[(recomputed < 0) & (quotas_mib >= need_mib)] = count
        if (recomputed >= 0).all():
            break
    used = set(np.unique(recomputed[recomputed >= 0]).tolist()) or {
        min(found, key=lambda count: found[count])
    }
    return Ways(recomputed, {count: need_mib for count, need_mib in found.items() if count in used})
