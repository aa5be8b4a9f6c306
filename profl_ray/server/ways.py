"""In which way each device would train a task: with the least recomputation that its quota takes."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Literal

import numpy as np

from profl_ray.memory import Need
from profl_ray.training import DeviceReport, LocalTask

Recompute = Literal["none", "all", "auto"]


@dataclass(frozen=True)
class Ways:
    """One task on all devices."""

    recomputed: np.ndarray
    """How many of the task's units each device recomputes, the first ones first; -1 where its quota takes no
    way: int64 [num_devices]."""
    needs_mib: dict[int, float]
    """By number of recomputed units: of the ways that some device goes; of the cheapest one where no device
    can afford any."""

    @property
    def costliest(self) -> int:
        """The number of recomputed units of the costliest of these ways."""
        return max(self.needs_mib, key=self.needs_mib.__getitem__)


def ways_of(task: LocalTask, recompute: Recompute) -> range:
    """Return the numbers of recomputed units that devices may choose from, plain training first."""
    most = task.num_recomputable
    return {"none": range(1), "all": range(most, most + 1), "auto": range(most + 1)}[recompute]


def least_need(task: LocalTask, recompute: Recompute, estimate: Callable[[LocalTask], Need]) -> Need:
    """Return the need of the cheapest way: what a device must have at least to train the task."""
    return min((estimate(task.recomputing(count)) for count in ways_of(task, recompute)), key=lambda n: n.mib)


def recompute_figures(
    tasks: Sequence[LocalTask], reports: Sequence[DeviceReport], estimate: Callable[[LocalTask], Need]
) -> dict[str, float]:
    """Return what a round records of recomputation.

    The share of the devices that recomputed units, and the need of the costliest of these tasks in MiB,
    plainly and with all of its units recomputed.
    """
    merged = [report for report in reports if report.failure is None]
    num_recomputing = sum(report.recomputed > 0 for report in merged)
    plain = {task: estimate(task).mib for task in tasks}
    costliest = max(tasks, key=plain.__getitem__)
    return {
        "recomputing_share": num_recomputing / len(merged) if merged else 0.0,
        "need_plain_mib": plain[costliest],
        "need_recomputed_mib": estimate(costliest.recomputing(costliest.num_recomputable)).mib,
    }


def find_ways(
    task: LocalTask, quotas_mib: np.ndarray, recompute: Recompute, estimate: Callable[[LocalTask], Need]
) -> Ways:
    """Return the way of each device; quotas_mib: float64 [num_devices].

    A device that can afford the plain way does not pay for recomputation, and where all can, nothing else is
    estimated. To recompute more may need more (the second pass of a large unit), so every number is asked.
    """
    recomputed = np.full(len(quotas_mib), -1, np.int64)
    found: dict[int, float] = {}
    for count in ways_of(task, recompute):
        found[count] = need_mib = estimate(task.recomputing(count)).mib
        recomputed[(recomputed < 0) & (quotas_mib >= need_mib)] = count
        if (recomputed >= 0).all():
            break
    used = set(np.unique(recomputed[recomputed >= 0]).tolist()) or {
        min(found, key=lambda count: found[count])
    }
    return Ways(recomputed, {count: need_mib for count, need_mib in found.items() if count in used})
