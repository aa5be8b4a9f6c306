"""DepthFL: a device trains as many blocks, from the first on, as it can afford; every block has an exit.

M. Kim et al., "DepthFL: Depthwise Federated Learning for Heterogeneous Clients", ICLR 2023. Its optional
FedDyn regulariser is off, as when it is compared with ProFL. Inference is the mean of the exits' logits.

Blocks that no device can afford would stay random, so the model ends with the deepest one that some can.
"""

from profl_ray.errors import Unaffordable
from profl_ray.models.depth import DepthPlan
from profl_ray.sections import Count, Section
from profl_ray.strategies.base import StrategyContext
from profl_ray.strategies.single_step import SingleStep
from profl_ray.training import LocalSGD, LocalTask, MutualDistillation


class DepthFL(SingleStep):
    """One task per depth; a tensor becomes the mean over the devices that hold it."""

    name = "depthfl"

    class Options(Section):
        """Options of DepthFL (Kim et al., ICLR 2023)."""

        distillation_ramp_up_rounds: Count = 300
        """Rounds over which the weight of mutual distillation rises to 1."""

    def __init__(self, context: StrategyContext) -> None:
        self._tasks = _affordable(context)
        super().__init__(context)

    def tasks(self) -> list[LocalTask]:
        """Return the depths' tasks, deepest first."""
        return self._tasks

    def complete_task(self) -> LocalTask:
        """Return the deepest model with its exits."""
        return self._tasks[0]


def _affordable(context: StrategyContext) -> list[LocalTask]:
    """Return the tasks from the deepest that some device can afford on; Unaffordable if none can."""
    ramp_up_rounds = context.options(DepthFL.Options).distillation_ramp_up_rounds
    training = LocalSGD.configured(context.config.training, MutualDistillation(ramp_up_rounds))
    tasks = [
        LocalTask(f"train depth {depth}", DepthPlan(context.network, depth), training, ("",), ("",))
        for depth in range(context.network.num_blocks, 0, -1)
    ]
    most_mib = float(context.quotas_mib.max())
    for deepest, task in enumerate(tasks):
        if (need_mib := context.need(task).mib) <= most_mib:
            return tasks[deepest:]
    raise Unaffordable(
        f"depthfl: even the first block alone needs {need_mib:.2f} MiB and the largest quota is "
        f"{most_mib:.2f} MiB (fix: federation.quotas, training.batch_size or a finer model.partition)"
    )
