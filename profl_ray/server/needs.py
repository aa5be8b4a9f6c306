"""What the steps of a schedule need, and who can afford them: known before anything is trained."""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from profl_ray.errors import Unaffordable
from profl_ray.memory import Need, NeedEstimator
from profl_ray.server.ways import Recompute, find_ways
from profl_ray.strategies import Step, Strategy
from profl_ray.training import LocalTask


@dataclass(frozen=True)
class StepNeed:
    """What a task of a step needs, and who can afford it."""

    step: Step
    task: LocalTask
    """In the costliest way that some device goes (`server/ways.py`)."""
    need: Need
    eligible_share: float
    """Share of the devices that can afford the task in some way."""
    least_mib: float
    """Of the cheapest way."""

    @property
    def need_mib(self) -> float:
        """The need in MiB."""
        return self.need.mib


def step_need(
    step: Step,
    task: LocalTask,
    estimate: NeedEstimator,
    quotas_mib: np.ndarray,
    recompute: Recompute = "none",
) -> StepNeed:
    """Return the need of one task and the share of quotas [num_devices] that suffice."""
    ways = find_ways(task, quotas_mib, recompute, estimate)
    costliest = task.recomputing(ways.costliest)
    share = float(np.mean(ways.recomputed >= 0))
    return StepNeed(step, costliest, estimate(costliest), share, min(ways.needs_mib.values()))


def step_needs(strategy: Strategy, estimate: NeedEstimator) -> list[StepNeed]:
    """Return need and eligible share of every task in the strategy's schedule."""
    quotas_mib, recompute = strategy.quotas_mib(), strategy.context.config.training.recompute
    return [step_need(step, task, estimate, quotas_mib, recompute) for step, task in strategy.schedule()]


def check_affordable(needs: Sequence[StepNeed], largest_quota_mib: float) -> None:
    """Raise Unaffordable if there is a step that no device can train."""
    for step in dict.fromkeys(need.step for need in needs):
        of_step = [need for need in needs if need.step == step]
        if all(need.eligible_share == 0 for need in of_step):
            cheapest_mib = min(need.least_mib for need in of_step)
            raise Unaffordable(
                f"no device can train step {str(step)!r}: it needs {cheapest_mib:.2f} MiB and the largest "
                f"quota is {largest_quota_mib:.2f} MiB (fix: federation.quotas, training.batch_size, "
                "model.width or a finer model.partition)"
            )
