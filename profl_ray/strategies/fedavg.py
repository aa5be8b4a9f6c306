"""FedAvg: every device trains the same model, and the server takes the mean.

H. B. McMahan et al., "Communication-Efficient Learning of Deep Networks from Decentralized Data", AISTATS
2017. Three variants stand for what memory quotas leave of it (arXiv 2404.13349, baselines):

    ideal      the full model on every device, quotas ignored: the upper reference
    exclusive  the full model on the devices that can afford it
    allsmall   one width for all devices, which the poorest device can afford
"""

from dataclasses import replace
from typing import Literal

import numpy as np

from profl_ray.errors import Unaffordable
from profl_ray.models import SubModelPlan
from profl_ray.sections import Section
from profl_ray.strategies.base import StrategyContext, full_task
from profl_ray.strategies.single_step import SingleStep
from profl_ray.training import LocalTask


class FedAvg(SingleStep):
    """One task, trained by all who may."""

    name = "fedavg"

    class Options(Section):
        """Options of FedAvg (McMahan et al., AISTATS 2017)."""

        variant: Literal["ideal", "exclusive", "allsmall"] = "ideal"
        """ideal: every device trains the full model, quotas ignored; exclusive: only devices that can afford
        it; allsmall: one width for all devices, the widest of `width_levels` that the poorest device can
        afford."""

    def __init__(self, context: StrategyContext) -> None:
        self.variant = context.options(FedAvg.Options).variant
        self.task = replace(
            _everybodys_task(context)
            if self.variant == "allsmall"
            else full_task(context.network, context.config),
            step="train",
        )
        super().__init__(context)

    def tasks(self) -> list[LocalTask]:
        """Return the one task."""
        return [self.task]

    def quotas_mib(self) -> np.ndarray:
        """Return the quotas; without limit for `ideal`."""
        quotas_mib = super().quotas_mib()
        return np.full_like(quotas_mib, np.inf) if self.variant == "ideal" else quotas_mib

    def complete_task(self) -> LocalTask:
        """Return the task; for `allsmall` its narrow network is the complete model."""
        return self.task


def _everybodys_task(context: StrategyContext) -> LocalTask:
    """Return full training of the widest network that every device can afford; Unaffordable if none is."""
    full = full_task(context.network, context.config)
    poorest_mib = float(context.quotas_mib.min())
    for rate in context.config.strategy.width_levels:
        network = replace(context.network, rate=rate)
        task = replace(full, model=SubModelPlan(network, network.num_blocks))
        if (need_mib := context.need(task).mib) <= poorest_mib:
            return task
    raise Unaffordable(
        f"allsmall: even at {rate:g} of the width, training needs {need_mib:.2f} MiB and the poorest device "
        f"has {poorest_mib:.2f} MiB (fix: a smaller level in strategy.width_levels)"
    )
