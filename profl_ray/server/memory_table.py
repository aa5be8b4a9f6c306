"""What fits where, without training: the needs of every step and the devices that can afford them."""

from dataclasses import dataclass, replace

import numpy as np

from profl_ray.config import ExperimentConfig
from profl_ray.federation import draw_quotas
from profl_ray.memory import NeedEstimator
from profl_ray.server.experiment import make_network, strategy_context
from profl_ray.server.needs import StepNeed, step_need, step_needs
from profl_ray.strategies import Step, full_task, make_strategy
from profl_ray.training import Backprop, LocalSGD, LocalTask

MICRO_BATCH_SIZE = 16
"""Examples of a piece, where the configuration names no number."""


WAYS = ("plain", "recomputed", "micro_batches", "both")
"""Ways to the same step by backpropagation; `both`: recomputed in micro-batches."""


@dataclass(frozen=True)
class WayNeed:
    """What a step needs in one way, and who can afford it."""

    need_mib: float
    eligible_share: float


@dataclass(frozen=True)
class MemoryTable:
    """Full training and every step of a strategy's schedule."""

    partition: tuple[int, ...]
    full: StepNeed
    steps: list[StepNeed]
    quotas_mib: np.ndarray
    micro_batch_size: int
    ways: dict[LocalTask, dict[str, WayNeed]]
    """By task, then by name of the way; none for work that is no backpropagation."""

    def peak_mib(self, way: str) -> float:
        """Return the largest need of the steps in that way; plainly, where a step knows no other."""
        return max(
            self.ways[row.task][way].need_mib if self.ways[row.task] else row.need_mib for row in self.steps
        )

    @property
    def peak_need_mib(self) -> float:
        """The largest need of the steps."""
        return max(row.need.mib for row in self.steps)

    @property
    def reduction(self) -> float:
        """1 - peak need / full need."""
        return 1 - self.peak_need_mib / self.full.need.mib


def memory_table(
    config: ExperimentConfig,
    input_shape: tuple[int, ...],
    num_classes: int,
    estimate: NeedEstimator,
) -> MemoryTable:
    """Return the table for inputs of that shape; data are not read. Raises UserError as `assemble` does."""
    network = make_network(config, input_shape, num_classes, estimate.facts)
    full = full_task(network, config)
    full_mib = estimate(full).mib
    quotas_mib = draw_quotas(config.federation.quotas, config.federation.num_devices, config.seed, full_mib)
    strategy = make_strategy(strategy_context(network, config, estimate, quotas_mib))
    whole = step_need(Step("full"), full, estimate, quotas_mib)
    steps = step_needs(strategy, estimate)
    size = config.training.micro_batch_size or min(MICRO_BATCH_SIZE, config.training.batch_size)
    quotas = {whole.task: quotas_mib} | {row.task: strategy.quotas_mib() for row in steps}
    ways = {task: way_needs(task, limits, size, estimate) for task, limits in quotas.items()}
    return MemoryTable(network.partition, whole, steps, quotas_mib, size, ways)


def way_needs(
    task: LocalTask, quotas_mib: np.ndarray, micro_batch_size: int, estimate: NeedEstimator
) -> dict[str, WayNeed]:
    """Return what the task needs in each of `WAYS`, and the share of quotas [num_devices] that suffice."""
    training = task.procedure
    if not isinstance(training, LocalSGD) or training.gradients != Backprop():
        return {}
    plain = replace(task, procedure=replace(training, micro_batch_size=None), recomputed=0)
    pieces = replace(plain, procedure=replace(training, micro_batch_size=micro_batch_size))
    tasks = (plain, plain.recomputing(plain.num_recomputable), pieces)
    needs_mib = [estimate(each).mib for each in (*tasks, pieces.recomputing(pieces.num_recomputable))]
    shares = [float(np.mean(quotas_mib >= need_mib)) for need_mib in needs_mib]
    return {way: WayNeed(*pair) for way, *pair in zip(WAYS, needs_mib, shares, strict=True)}
