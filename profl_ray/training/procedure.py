"""Local procedures: what a device does with one batch. One procedure a file; this is their common part."""

from abc import ABC, abstractmethod
from dataclasses import dataclass, replace
from typing import Self

from torch import Tensor, nn

from profl_ray.training.sgd import LeanSGD


@dataclass(frozen=True)
class Procedure(ABC):
    """SGD on a loss, with a new optimizer on each device each round (paper's code)."""

    local_epochs: int
    batch_size: int
    learning_rate: float
    momentum: float
    weight_decay: float
    max_gradient_norm: float | None = None

    def begin(self, labels: Tensor, step_round: int) -> Self:
        """Return the procedure of one device's round: what depends on its labels [N] or on the round."""
        return self

    def for_memory(self) -> Self:
        """Return the procedure without what its memory need does not depend on."""
        return replace(self, local_epochs=1, learning_rate=1.0)

    @abstractmethod
    def loss(self, model: nn.Module, images: Tensor, labels: Tensor) -> Tensor:
        """Return the loss, a scalar, for images [N, C, H, W] and labels [N]."""

    def make_optimizer(self, model: nn.Module) -> LeanSGD | None:
        """Return the optimizer of the parameters that require gradients; None if there is nothing to step.

        Another optimizer is made here, and nowhere else: what devices train with is what their memory is
        estimated by.
        """
        return LeanSGD(_trained(model), self.learning_rate, self.momentum, self.weight_decay)

    def train_batch(
        self, model: nn.Module, optimizer: LeanSGD | None, images: Tensor, labels: Tensor
    ) -> Tensor:
        """Do one optimizer step and return the loss, detached."""
        assert optimizer is not None
        optimizer.zero_grad()
        loss = self.loss(model, images, labels)
        loss.backward()
        if self.max_gradient_norm is not None:
            nn.utils.clip_grad_norm_(optimizer.parameters, self.max_gradient_norm)
        optimizer.step()
        return loss.detach()


def _trained(model: nn.Module) -> list[nn.Parameter]:
    return [parameter for parameter in model.parameters() if parameter.requires_grad]
