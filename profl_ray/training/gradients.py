"""How a gradient is got: a choice of its own, beside the loss, the optimizer and the method."""

from dataclasses import dataclass
from typing import Protocol

from torch import Tensor, nn

from profl_ray.models import Features
from profl_ray.training.losses import Loss


class Gradients(Protocol):
    """A way to a batch's gradient. Frozen and hashable, as a part of its procedure."""

    def of(self, loss: Loss, model: nn.Module, inputs: Features, labels: Tensor) -> Tensor:
        """Set `grad` of all parameters that require one; return the loss of the batch, detached."""
        ...


@dataclass(frozen=True)
class Backprop:
    """Backpropagation."""

    def of(self, loss: Loss, model: nn.Module, inputs: Features, labels: Tensor) -> Tensor:
        """Go forward and backward once."""
        value = loss(model, inputs, labels)
        value.backward()
        return value.detach()
