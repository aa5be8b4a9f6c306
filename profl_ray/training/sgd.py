"""SGD as devices run it: torch's own fused kernel without the rest of `torch.optim.Optimizer`.

The numbers are those of `torch.optim.SGD(fused=True)`, bit for bit (tests/training/test_sgd.py). That class
imports the compiler when the first one is made, 150 MiB and a second in every client actor, and wraps each
step in hooks for the profiler; on a device of two batches the hooks take as long as the kernel.
"""

from collections.abc import Iterable
from dataclasses import dataclass

import torch
from torch import Tensor, nn
from torch.optim.sgd import sgd


@dataclass(frozen=True)
class SGD:
    """Settings of SGD; a device begins every round with a new one."""

    learning_rate: float
    momentum: float = 0.0
    weight_decay: float = 0.0

    def of(self, model: nn.Module) -> "LeanSGD":
        """Return the optimizer of the model's parameters that require gradients."""
        trained = (parameter for parameter in model.parameters() if parameter.requires_grad)
        return LeanSGD(trained, self.learning_rate, self.momentum, self.weight_decay)


class LeanSGD:
    """SGD of the given parameters, with momentum and weight decay."""

    def __init__(
        self, parameters: Iterable[Tensor], learning_rate: float, momentum: float, weight_decay: float
    ) -> None:
        self.parameters = list(parameters)
        """What it trains."""
        self._momenta: list[Tensor | None] = [None] * len(self.parameters)
        self._learning_rate = learning_rate
        self._momentum = momentum
        self._weight_decay = weight_decay

    def zero_grad(self) -> None:
        """Let go of the gradients, as torch's optimizers do."""
        for parameter in self.parameters:
            parameter.grad = None

    @torch.no_grad()
    def step(self) -> None:
        """Do one step in place; parameters without a gradient stay."""
        indices = [index for index, parameter in enumerate(self.parameters) if parameter.grad is not None]
        momenta = [self._momenta[index] for index in indices]
        sgd(
            [self.parameters[index] for index in indices],
            [gradient for index in indices if (gradient := self.parameters[index].grad) is not None],
            momenta,
            fused=not any(parameter.is_meta for parameter in self.parameters),
            weight_decay=self._weight_decay,
            momentum=self._momentum,
            lr=self._learning_rate,
            dampening=0.0,
            nesterov=False,
            maximize=False,
        )
        for index, momentum in zip(indices, momenta, strict=True):
            self._momenta[index] = momentum
