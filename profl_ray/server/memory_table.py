"""What fits where, without training: the needs of every step and the devices that can afford them."""

from dataclasses import dataclass

import numpy as np

from profl_ray.config import ExperimentConfig
from profl_ray.federation import draw_quotas
from profl_ray.memory import NeedEstimator
from profl_ray.server.experiment import make_network
from profl_ray.server.needs import StepNeed, step_need, step_needs
from profl_ray.strategies import Step, StrategyContext, full_task, make_strategy


@dataclass(frozen=True)
class MemoryTable:
    """Full training and every step of a strategy's schedule."""

    partition: tuple[int, ...]
    full: StepNeed
    steps: list[StepNeed]
    quotas_mib: np.ndarray

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
    strategy = make_strategy(StrategyContext(network, config, estimate, quotas_mib))
    return MemoryTable(
        network.partition,
        step_need(Step("full"), full, estimate, quotas_mib),
        step_needs(strategy, estimate),
        quotas_mib,
    )
