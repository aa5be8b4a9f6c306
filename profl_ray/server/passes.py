"""A pass: one plan, done by a cohort. A round is one of training; an evaluation may need another."""

from dataclasses import dataclass

import numpy as np

from profl_ray.memory import Demand
from profl_ray.training import GroupResult


@dataclass(frozen=True)
class Pass:
    """What came of one plan: who could do what, and what was sent back."""

    demands: tuple[Demand, ...]
    """Per task: what it takes."""
    choice: np.ndarray
    """Per device the index of its task, -1 where it can afford none: int64 [num_devices]."""
    result: GroupResult
    local_flops: int
    """Operations of the devices' training."""

    @property
    def cohort(self) -> tuple[int, ...]:
        """The devices that were drawn, in their order."""
        return tuple(report.device for report in self.result.reports)

    @property
    def trained(self) -> tuple[int, ...]:
        """The devices whose updates were merged."""
        return tuple(report.device for report in self.result.reports if report.failure is None)

    @property
    def failed(self) -> dict[int, str]:
        """Why the others' were not, by device."""
        return {report.device: report.failure for report in self.result.reports if report.failure}

    @property
    def costliest(self) -> tuple[float, float]:
        """Predicted and measured peak of the costliest task that some device can afford, else of all; MiB."""
        used = np.unique(self.choice[self.choice >= 0]).tolist() or range(len(self.demands))
        needs_mib, peaks_mib = zip(
            *((self.demands[index].need_mib, self.demands[index].measured_peak_mib) for index in used),
            strict=True,
        )
        return max(needs_mib), max(peaks_mib)
