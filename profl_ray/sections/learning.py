"""How it is learnt: the model, local training and freezing."""

from typing import Literal, Self

from pydantic import Field, NonNegativeFloat, PositiveFloat, model_validator

from profl_ray.sections.base import Count, Section


class ModelConfig(Section):
    """The network and where it is cut."""

    name: str = "cnn"
    """A network of profl_ray/models/families: cnn, resnet18, resnet34, vgg11_bn, vgg16_bn; or a family of
    your own, FILE.py:NAME (docs/plugins.md)."""
    width: float = Field(1.0, gt=0, le=16)
    """Multiplier of every layer's number of channels."""
    partition: str | Count | tuple[Count, ...] = "stages"
    """Blocks by name (`stages`; `units`: a block per unit), by units per block (`[2,2,2,2]`), or as a number
    of blocks of about equal need (`4`)."""


class TrainingConfig(Section):
    """One device's local work in a round."""

    local_epochs: Count = 5
    """Passes over the device's examples."""
    batch_size: int = Field(64, ge=2, le=10_000_000)
    """Examples per optimizer step; at least 2, for batch norm."""
    learning_rate: PositiveFloat = 0.01
    """SGD learning rate."""
    momentum: NonNegativeFloat = Field(0.9, lt=1)
    """SGD momentum; the optimizer is new on each device each round."""
    weight_decay: NonNegativeFloat = 5e-4
    """SGD weight decay."""
    max_gradient_norm: PositiveFloat | None = None
    """Scale a batch's gradient down to this 2-norm; default: never (as in the paper's code)."""


class FreezingConfig(Section):
    """When a training step ends. Paper, section 6: slope of the effective movement."""

    name: Literal["effective_movement", "block_perturbation", "fixed_rounds"] = "effective_movement"
    """effective_movement: stop when its slope stays small; block_perturbation: the same with SmartFreeze's
    measure; fixed_rounds: stop after `rounds`."""
    window_rounds: Count = 6
    """H: rounds over which the movement of the active block is taken."""
    fit_rounds: int = Field(20, ge=2, le=10_000_000)
    """L: values of the effective movement under the least-squares line."""
    patience_rounds: Count = 15
    """W: rounds in a row for which the slope must be small."""
    phi: PositiveFloat = 0.2
    """Threshold of |slope|, in percentage points of effective movement per round."""
    num_scalars: Count = 10_000
    """Scalars of the active block that are followed (drawn once per step if it has more)."""
    rounds: Count = 20
    """fixed_rounds: rounds of every step."""
    min_rounds: Count = 1
    """Fewest rounds of a step."""
    max_rounds: Count = 1000
    """Most rounds of a growing step."""
    max_shrink_rounds: Count | None = None
    """Most rounds of a shrinking step; default: `max_rounds`."""

    @model_validator(mode="after")
    def _consistent(self) -> Self:
        for key in ("max_rounds", "max_shrink_rounds"):
            limit = getattr(self, key)
            if limit is not None and self.min_rounds > limit:
                raise ValueError(f"min_rounds={self.min_rounds} is above {key}={limit}")
        return self
