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
    optimizer: Literal["sgd", "adamw", "adam"] = "sgd"
    """What a device steps with; new on each device each round."""
    learning_rate: PositiveFloat = 0.01
    """Learning rate of the devices' optimizer."""
    momentum: NonNegativeFloat = Field(0.9, lt=1)
    """sgd: momentum."""
    weight_decay: NonNegativeFloat = 5e-4
    """Weight decay of the devices' optimizer."""
    schedule: Literal["constant", "cosine", "step"] = "constant"
    """How the learning rate changes from round to round, alike on all devices. cosine: down to 0; step: to a
    tenth after half, and again after three quarters of the rounds."""
    schedule_over: Literal["run", "step"] = "run"
    """What the schedule goes over: the run, whose steps count alike, or every step of a progressive method
    anew. A step counts with the most rounds that it may take."""
    warm_up_share: float = Field(0.0, ge=0, lt=1)
    """Share of the rounds over which the learning rate first rises to its value."""
    micro_batch_size: int | None = Field(None, ge=2, le=10_000_000)
    """A batch goes through the model in pieces of at most so many examples, whose gradients are added up:
    less memory, to the same gradient where no batch norm uses the batch's statistics, else to another
    training (each piece is normalised by its own); default: in one."""
    gradients: Literal["backprop", "forward_mode", "zeroth_order"] = "backprop"
    """How devices get a gradient. forward_mode: its slope along random directions, by tangents, without kept
    activations; zeroth_order: the same from differences of losses."""
    num_directions: int = Field(1, ge=1, le=100_000)
    """forward_mode, zeroth_order: random directions of each batch; more of them, less variance. The estimate
    is longer than the gradient by about the root of (trained weights / directions): lower the learning rate,
    or bound it by `max_gradient_norm`."""
    direction_kind: Literal["rademacher", "gaussian"] = "rademacher"
    """forward_mode, zeroth_order: signs, or standard normal numbers."""
    sigma: PositiveFloat = 1e-3
    """zeroth_order: length of the step along a direction."""
    central_differences: bool = True
    """zeroth_order: two passes for each direction, one to each side; else one, and one in the middle."""
    recompute: Literal["none", "all", "auto"] = "none"
    """Which units go forward once more in the backward pass instead of keeping their activations, to the same
    weights: none; all that are trained; auto: on each device the fewest that its quota asks for."""
    max_gradient_norm: PositiveFloat | None = None
    """Scale a batch's gradient down to this 2-norm; default: never (as in the paper's code)."""

    @model_validator(mode="after")
    def _consistent(self) -> Self:
        if self.recompute != "none" and self.gradients != "backprop":
            raise ValueError(
                f"recompute={self.recompute} has nothing to recompute with gradients={self.gradients}, which "
                "keeps no activations"
            )
        if self.micro_batch_size is not None and self.micro_batch_size > self.batch_size:
            raise ValueError(
                f"micro_batch_size={self.micro_batch_size} is above batch_size={self.batch_size}"
            )
        return self


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
