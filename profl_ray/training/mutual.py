"""Mutual self-distillation: the exits of one model learn from the labels and from each other (DepthFL)."""

import math
from dataclasses import dataclass, replace
from itertools import permutations
from typing import Self

from torch import Tensor, nn
from torch.nn import functional

from profl_ray.training.procedure import Procedure


@dataclass(frozen=True)
class Mutual(Procedure):
    """Sum over exits of cross-entropy and of the mean divergence from the other exits (its section 3)."""

    ramp_up_rounds: int = 300
    """Rounds over which the weight of the distillation rises to 1."""
    weight: float = 1.0
    """Weight of the distillation in this round."""

    def begin(self, labels: Tensor, step_round: int) -> Self:
        """Return the procedure with the round's weight."""
        return replace(self, weight=ramp_up(step_round, self.ramp_up_rounds))

    def for_memory(self) -> Self:
        """Return the procedure without what its memory need does not depend on."""
        return replace(super().for_memory(), ramp_up_rounds=1)

    def loss(self, model: nn.Module, images: Tensor, labels: Tensor) -> Tensor:
        """Return the loss, a scalar, for a model that returns a tuple of logits."""
        exits = model(images)
        loss: Tensor = sum(functional.cross_entropy(logits, labels) for logits in exits)  # type: ignore[assignment]
        if len(exits) > 1:
            loss = loss + self.weight * mutual_divergence(exits)
        return loss


def ramp_up(step_round: int, ramp_up_rounds: int) -> float:
    """Return exp(-5 (1 - min(t, R) / R)^2) for round t and R = `ramp_up_rounds` (DepthFL's code)."""
    left = 1 - min(step_round, ramp_up_rounds) / ramp_up_rounds
    return math.exp(-5 * left * left)


def mutual_divergence(exits: tuple[Tensor, ...]) -> Tensor:
    """Return the sum over exits i of the mean over the others j of KL(p_j || p_i); j gets no gradient.

    Logits [N, classes]; temperature 1; the mean over the batch.
    """
    logs = [functional.log_softmax(logits, dim=1) for logits in exits]
    total: Tensor = sum(  # type: ignore[assignment]
        functional.kl_div(student, teacher.detach(), reduction="batchmean", log_target=True)
        for student, teacher in permutations(logs, 2)
    )
    return total / (len(exits) - 1)
