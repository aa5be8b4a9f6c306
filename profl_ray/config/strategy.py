"""The training method and the options of each."""

from typing import Annotated, Literal, Self

from pydantic import Field, NonNegativeInt, PositiveFloat, model_validator

from profl_ray.config.base import Count, Section

Rate = Annotated[float, Field(gt=0, le=1)]


class ProFLOptions(Section):
    """Options of ProFL (arXiv 2404.13349)."""

    shrinking: bool = True
    """Run the shrinking stage; without it growing starts from random weights (ablation)."""
    output_module: Literal["proxies", "head"] = "proxies"
    """proxies: a convolution per later block, pool and FC (the paper); head: pool and FC alone."""
    initialisation: Literal["corresponding", "carry"] = "corresponding"
    """Output module of growing step t > 1: the matching shrinking step's (corresponding), or the last growing
    step's (carry)."""
    frozen_bn: Literal["batch", "eval"] = "batch"
    """Batch norm of frozen blocks: statistics of the batch, as in the authors' code (batch), or fixed running
    statistics (eval)."""
    grow_learning_rate: PositiveFloat | None = None
    """SGD learning rate of the growing steps; default: `training.learning_rate`."""
    grow_frozen_bn: Literal["batch", "eval"] | None = None
    """The policy in the growing steps; default: `frozen_bn`."""
    map_rounds: NonNegativeInt = 10
    """Rounds of Map, the distillation of a block into its proxy."""
    map_learning_rate: PositiveFloat = 1e-4
    """SGD learning rate of Map. The authors' code has 1e-5, which moves little in few rounds; 1e-3
    diverges after long shrinking steps without `training.max_gradient_norm`, since the proxies have no
    normalisation."""


class FedAvgOptions(Section):
    """Options of FedAvg (McMahan et al., AISTATS 2017)."""

    variant: Literal["ideal", "exclusive", "allsmall"] = "ideal"
    """ideal: every device trains the full model, quotas ignored; exclusive: only devices that can afford it;
    allsmall: one width for all devices, the widest of `width_levels` that the poorest device can afford."""


class DepthFLOptions(Section):
    """Options of DepthFL (Kim et al., ICLR 2023)."""

    distillation_ramp_up_rounds: Count = 300
    """Rounds over which the weight of mutual distillation rises to 1."""


class StrategyConfig(Section):
    """The training method; the options of methods that are not chosen have no effect."""

    name: str = "profl"
    """depthfl, fedavg, fedrolex, heterofl, profl, progfed or smartfreeze."""
    rounds: Count = 60
    """Rounds of the whole run, for methods that do not freeze blocks."""
    width_levels: tuple[Rate, ...] = (1.0, 0.5, 0.25, 0.125, 0.0625)
    """Widths of sub-models as shares of the model's channels, widest first (HeteroFL, FedRolex, AllSmall)."""
    profl: ProFLOptions = ProFLOptions()
    fedavg: FedAvgOptions = FedAvgOptions()
    depthfl: DepthFLOptions = DepthFLOptions()

    @model_validator(mode="after")
    def _falling(self) -> Self:
        if not self.width_levels or list(self.width_levels) != sorted(set(self.width_levels), reverse=True):
            raise ValueError("width_levels must be given once each, widest first, and at least one")
        return self
