"""A pass: one plan, done by a cohort. A round is one of training; an evaluation may need another."""

from dataclasses import dataclass, field

from profl_ray.memory import Demand
from profl_ray.training import GroupResult


@dataclass(frozen=True)
class Pass:
    """What came of one plan: who could do what, and what was sent back."""

    demands: tuple[Demand, ...]
    """What the tasks take that some device trains, or would train, each in its ways; else of all."""
    eligible_share: float
    """Share of all devices that can afford some task."""
    result: GroupResult
    local_flops: int
    """Operations of the devices' training."""
    figures: dict[str, float] = field(default_factory=dict)
    """What is recorded of the ways that devices went."""

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
        """Predicted and measured peak of the costliest of these, in MiB."""
        needs_mib, peaks_mib = zip(*((d.need_mib, d.measured_peak_mib) for d in self.demands), strict=True)
        return max(needs_mib), max(peaks_mib)
