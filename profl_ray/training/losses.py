"""What local training minimises: one frozen dataclass a loss."""

import math
from dataclasses import dataclass, replace
from itertools import permutations
from typing import Protocol, Self

import torch
from torch import Tensor, nn
from torch.nn import functional

from profl_ray.models import Features


class Loss(Protocol):
    """A loss of a batch. Frozen and hashable, as a part of its procedure."""

    def on_device(self, labels: Tensor, step_round: int) -> Self:
        """Return the loss of a device with these labels [N] in this round of the step."""
        ...

    def for_memory(self) -> Self:
        """Return the loss without what its memory need does not depend on."""
        ...

    def __call__(self, model: nn.Module, inputs: Features, labels: Tensor) -> Tensor:
        """Return the loss, a scalar, for inputs [N, ...] and labels [N]."""
        ...


class SameForAll:
    """Common part of losses that depend on neither device nor round."""

    def on_device(self, labels: Tensor, step_round: int) -> Self:
        """Return the loss itself."""
        return self

    def for_memory(self) -> Self:
        """Return the loss itself."""
        return self


@dataclass(frozen=True)
class CrossEntropy(SameForAll):
    """Mean cross-entropy of the model's logits [N, classes] against the labels."""

    def __call__(self, model: nn.Module, inputs: Features, labels: Tensor) -> Tensor:
        """Return the mean over the batch."""
        return functional.cross_entropy(model(inputs), labels)


@dataclass(frozen=True)
class TeacherError(SameForAll):
    """Mean squared error between the two logits that the model returns, student's and teacher's.

    ProFL's distillation (arXiv 2404.13349, Map in section 4).
    """

    def __call__(self, model: nn.Module, inputs: Features, labels: Tensor) -> Tensor:
        """Return the mean over batch and classes; labels are not used."""
        student, teacher = model(inputs)
        return functional.mse_loss(student, teacher)


@dataclass(frozen=True)
class MaskedCrossEntropy(SameForAll):
    """Cross-entropy with the logits of absent classes set to zero, which also stops their gradient.

    A device learns to tell apart only the classes that it has (HeteroFL, section 3).
    """

    present: tuple[int, ...] | None = None
    """The device's classes; None: all."""

    def on_device(self, labels: Tensor, step_round: int) -> Self:
        """Return the loss with the device's classes."""
        return replace(self, present=tuple(torch.unique(labels).tolist()))

    def __call__(self, model: nn.Module, inputs: Features, labels: Tensor) -> Tensor:
        """Return the mean over the batch."""
        logits = model(inputs)
        # With all classes there too, so that a device needs what was estimated without knowing its labels.
        mask = torch.zeros_like(logits)
        mask[:, list(range(logits.shape[1]) if self.present is None else self.present)] = 1
        return functional.cross_entropy(logits * mask, labels)


@dataclass(frozen=True)
class MutualDistillation:
    """Exits of one model learn from the labels and from each other (DepthFL, section 3).

    The sum over exits of cross-entropy and of the mean divergence from the other exits.
    """

    ramp_up_rounds: int = 300
    """Rounds over which the weight of the distillation rises to 1."""
    weight: float = 1.0
    """Weight of the distillation in this round."""

    def on_device(self, labels: Tensor, step_round: int) -> Self:
        """Return the loss with the round's weight."""
        return replace(self, weight=ramp_up(step_round, self.ramp_up_rounds))

    def for_memory(self) -> Self:
        """Return the loss without its ramp."""
        return replace(self, ramp_up_rounds=1)

    def __call__(self, model: nn.Module, inputs: Features, labels: Tensor) -> Tensor:
        """Return the loss of a model that returns a tuple of logits."""
        exits = model(inputs)
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
