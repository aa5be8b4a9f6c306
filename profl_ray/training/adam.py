"""Adam and AdamW as devices run them: torch's fused kernel without `torch.optim.Optimizer` (see `sgd.py`).

D. P. Kingma, J. Ba, "Adam", ICLR 2015; I. Loshchilov, F. Hutter, "Decoupled Weight Decay Regularization",
ICLR 2019. The numbers are those of `torch.optim.Adam(fused=True)` and `AdamW`, bit for bit.
"""

from collections.abc import Iterable
from dataclasses import dataclass

import torch
from torch import Tensor, nn

BETA1, BETA2, EPSILON = 0.9, 0.999, 1e-8
"""The papers' values, and PyTorch's."""


@dataclass(frozen=True)
class Adam:
    """Settings of Adam; a device begins every round with a new one."""

    learning_rate: float
    weight_decay: float = 0.0
    decoupled: bool = True
    """Whether the weight decay is a step of its own (AdamW), or a part of the gradient (Adam)."""

    def of(self, model: nn.Module) -> "LeanAdam":
        """Return the optimizer of the model's parameters that require gradients."""
        return LeanAdam(self, (parameter for parameter in model.parameters() if parameter.requires_grad))


class LeanAdam:
    """Adam of the given parameters."""

    def __init__(self, settings: Adam, parameters: Iterable[Tensor]) -> None:
        self.parameters = list(parameters)
        """What it trains."""
        self._settings = settings
        self._state: dict[int, tuple[Tensor, Tensor, Tensor]] = {}
        """By place of the parameter: first and second moment, number of steps."""

    def zero_grad(self) -> None:
        """Let go of the gradients, as torch's optimizers do."""
        for parameter in self.parameters:
            parameter.grad = None

    @torch.no_grad()
    def step(self) -> None:
        """Do one step in place; parameters without a gradient stay."""
        trained = [index for index, parameter in enumerate(self.parameters) if parameter.grad is not None]
        for index in trained:
            if index not in self._state:
                parameter = self.parameters[index]
                steps = torch.zeros((), dtype=torch.float32, device=parameter.device)
                self._state[index] = torch.zeros_like(parameter), torch.zeros_like(parameter), steps
        parameters = [self.parameters[index] for index in trained]
        gradients = [gradient for p in parameters if (gradient := p.grad) is not None]
        firsts, seconds, steps_done = ([self._state[index][part] for index in trained] for part in range(3))
        if any(parameter.is_meta for parameter in parameters):
            return  # Where nothing is held, nothing is computed: the kernel works in place.
        torch._foreach_add_(steps_done, 1.0)
        kernel = torch._fused_adamw_ if self._settings.decoupled else torch._fused_adam_
        kernel(
            parameters,
            gradients,
            firsts,
            seconds,
            [],
            steps_done,
            lr=self._settings.learning_rate,
            beta1=BETA1,
            beta2=BETA2,
            weight_decay=self._settings.weight_decay,
            eps=EPSILON,
            amsgrad=False,
            maximize=False,
        )
