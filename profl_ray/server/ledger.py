"""What a run keeps count of: rounds, traffic, who took part, measured peaks."""

from dataclasses import dataclass, field
from typing import Any, Self

from profl_ray.strategies import Plan
from profl_ray.training import GroupResult


@dataclass
class Ledger:
    """The counts of one run, after its last round."""

    rounds: int = 0
    uplink_bytes: int = 0
    """Of the last round: what the devices whose updates were merged sent."""
    downlink_bytes: int = 0
    """Of the last round: what the cohort was sent."""
    devices_ever: set[int] = field(default_factory=set)
    """Devices whose updates were ever merged."""
    holders: dict[str, str] = field(default_factory=dict)
    """By `step/task/device`: version of the frozen part (if any) that the device holds; goes down once."""
    step_merges: int = 0
    """Rounds of the current step in which any device's update was merged."""
    peaks_bytes: dict[str, int] = field(default_factory=dict)
    """Measured peaks by `step/task`."""

    def enter(self, plan: Plan, result: GroupResult) -> None:
        """Enter the training of a round."""
        self.rounds += 1
        self.step_merges = self.step_merges * (plan.step_round > 1) + bool(result.sums)
        self.uplink_bytes = self.downlink_bytes = 0
        self.devices_ever |= {report.device for report in result.reports if report.failure is None}
        current = f"{plan.step_index}/"
        self.holders = {key: value for key, value in self.holders.items() if key.startswith(current)}
        self.enter_traffic(plan, result)

    def enter_traffic(self, plan: Plan, result: GroupResult) -> None:
        """Enter what a pass of the round moved."""
        for report in result.reports:
            state = plan.states[report.task_index]
            task, procedure = state.task, state.task.procedure
            holder = f"{plan.step_index}/{plan.phase}{report.task_index}/{report.device}"
            self.downlink_bytes += round(task.down.num_bytes * state.density)
            if task.frozen.num_bytes and self.holders.get(holder) != state.frozen_version:
                self.downlink_bytes += task.frozen.num_bytes
                self.holders[holder] = state.frozen_version
            if report.failure is None:
                sent = procedure.sent(task)
                share = state.density if sent == task.moving else 1.0
                told = result.told.get(report.device, {})
                self.uplink_bytes += round(sent.num_bytes * share) + sum(v.nbytes for v in told.values())

    def to_json(self) -> dict[str, Any]:
        """Return the counts as JSON-ready values."""
        return {
            "rounds": self.rounds,
            "step_merges": self.step_merges,
            "devices_ever": sorted(self.devices_ever),
            "holders": self.holders,
            "peaks_bytes": self.peaks_bytes,
        }

    @classmethod
    def from_json(cls, values: dict[str, Any]) -> Self:
        """Read what `to_json` wrote."""
        return cls(
            rounds=values["rounds"],
            step_merges=values["step_merges"],
            devices_ever=set(values["devices_ever"]),
            holders=dict(values["holders"]),
            peaks_bytes=dict(values["peaks_bytes"]),
        )
