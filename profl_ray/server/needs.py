"""What the steps of a schedule need, and who can afford them: known before anything is trained."""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from profl_ray.errors import Unaffordable
from profl_ray.memory import Need, NeedEstimator
from profl_ray.strategies import Step, Strategy
from profl_ray.training import LocalTask


@dataclass(frozen=True)
class StepNeed:
    """What a task of a step needs, and who can afford it."""

    step: Step
    task: LocalTask
    need: Need
    eligible_share: float

    @property
    def need_mib(self) -> float:
        """The need in MiB."""
        return self.need.mib


def step_need(step: Step, task: LocalTask, estimate: NeedEstimator, quotas_mib: np.ndarray) -> StepNeed:
    """Return the need of one task and the share of quotas [num_devices] that suffice."""
    need = estimate(task)
    return StepNeed(step, task, need, float(np.mean(quotas_mib >= need.mib)))


def step_needs(strategy: Strategy, estimate: NeedEstimator) -> list[StepNeed]:
    """Return need and eligible share of every task in the strategy's schedule."""
    quotas_mib = strategy.quotas_mib()
    return [step_need(step, task, estimate, quotas_mib) for step, task in strategy.schedule()]


def check_affordable(needs: Sequence[StepNeed], largest_quota_mib: float) -> None:
    """Raise Unaffordable if there is a step that no device can train."""
    for step in dict.fromkeys(need.step for need in needs):
        of_step = [need for need in needs if need.step == step]
        if all(need.eligible_share == 0 for need in of_step):
            cheapest_mib = min(need.need_mib for need in of_step)
            raise Unaffordable(
                f"no device can train step {str(step)!r}: it needs {cheapest_mib:.2f} MiB and the largest "
                f"quota is {largest_quota_mib:.2f} MiB (fix: federation.quotas, training.batch_size, "
                "model.width or a finer model.partition)"
            )
