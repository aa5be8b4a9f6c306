"""Local training as most methods do it: epochs of steps on a loss, with a new optimizer in each round.

Three choices are independent of each other and of the method: the loss, the optimizer, and how the gradient
is got.
"""

from collections.abc import Iterator
from dataclasses import dataclass, replace
from itertools import count
from typing import Self

import torch
from torch import Tensor, nn

from profl_ray.models import Features
from profl_ray.sections import TrainingConfig
from profl_ray.training.adam import Adam
from profl_ray.training.batch import num_rows, split
from profl_ray.training.gradients import Backprop, Draw, ForwardMode, Gradients, ZerothOrder
from profl_ray.training.losses import CrossEntropy, Loss
from profl_ray.training.procedure import BatchStep, Device, Outcome, Procedure, Task
from profl_ray.training.sgd import SGD


@dataclass(frozen=True)
class LocalSGD(Procedure):
    """Epochs over the device's examples, each batch one step down the gradient of a loss."""

    local_epochs: int
    batch_size: int
    optimizer: SGD | Adam
    loss: Loss = CrossEntropy()  # noqa: RUF009  frozen
    gradients: Gradients = Backprop()  # noqa: RUF009  frozen
    max_gradient_norm: float | None = None
    """A batch's gradient is scaled down to this 2-norm; None: never."""
    micro_batch_size: int | None = None
    """A batch goes through the model in pieces of at most so many examples, whose gradients are added up."""

    @classmethod
    def configured(cls, training: TrainingConfig, loss: Loss = CrossEntropy()) -> Self:  # noqa: B008  frozen
        """Return training on `loss` as the configuration's section `training` has it."""
        optimizer: SGD | Adam = SGD(training.learning_rate, training.momentum, training.weight_decay)
        if training.optimizer != "sgd":
            decoupled = training.optimizer == "adamw"
            optimizer = Adam(training.learning_rate, training.weight_decay, decoupled)
        return cls(
            training.local_epochs,
            training.batch_size,
            optimizer,
            loss,
            configured_gradients(training),
            training.max_gradient_norm,
            training.micro_batch_size,
        )

    def with_learning_rate(self, learning_rate: float) -> Self:
        """Return the same training at another rate."""
        return replace(self, optimizer=replace(self.optimizer, learning_rate=learning_rate))

    def at_rate(self, factor: float) -> Self:
        """Return the training of a round whose rate differs by this factor."""
        return self.with_learning_rate(factor * self.optimizer.learning_rate)

    @property
    def passes(self) -> int:
        """The local epochs."""
        return self.local_epochs

    def for_memory(self) -> Self:
        """Return the procedure without what its memory need does not depend on."""
        loss, optimizer = self.loss.for_memory(), replace(self.optimizer, learning_rate=1.0)
        return replace(self, local_epochs=1, optimizer=optimizer, loss=loss)

    @property
    def carries_tangents(self) -> bool:
        """Whether its gradients do."""
        return self.gradients.carries_tangents

    def begin(self, model: nn.Module, device: Device | None = None) -> BatchStep:
        """Make the optimizer of what requires gradients; return the step."""
        optimizer = self.optimizer.of(model)
        numbers = count()

        def step(inputs: Features, labels: Tensor) -> Tensor:
            optimizer.zero_grad()
            number = next(numbers)
            draw = Draw() if device is None else Draw(device.seed, (*device.stream, device.number, number))
            pieces = micro_batches(inputs, labels, self.micro_batch_size)
            losses = [
                self.gradients.add(self.loss, model, part, own_labels, share, draw) * share
                for part, own_labels, share in pieces
            ]
            loss = losses[0] if len(losses) == 1 else torch.stack(losses).sum()
            if self.max_gradient_norm is not None:
                nn.utils.clip_grad_norm_(optimizer.parameters, self.max_gradient_norm)
            optimizer.step()
            return loss

        return step

    def work(self, model: nn.Module, task: Task, device: Device) -> Outcome:
        """Train for the local epochs; the loss is the mean over the last one's examples."""
        step = replace(self, loss=self.loss.on_device(device.labels, device.round)).begin(model, device)
        draw = device.own("local")
        # Summed where the model is: to fetch every batch's loss would make a GPU wait.
        loss_sum = torch.zeros((), dtype=torch.float64, device=device.labels.device)
        for _ in range(self.local_epochs):
            loss_sum.zero_()
            num_seen = 0
            for inputs, labels in device.epoch(draw, self.batch_size):
                loss_sum += step(inputs, labels).double() * len(labels)
                num_seen += len(labels)
        return Outcome(float(loss_sum) / num_seen, weight=len(device.labels))


def micro_batches(
    inputs: Features, labels: Tensor, size: int | None
) -> Iterator[tuple[Features, Tensor, float]]:
    """Yield pieces of about equal size, at most `size` (None: all in one), with their share of the examples.

    None has a single example where another could be with it, since batch norm needs two values.
    """
    num_examples = len(labels)
    num_pieces = 1 if size is None else max(1, min(-(-num_examples // size), num_examples // 2))
    if num_pieces == 1:
        yield inputs, labels, 1.0
        return
    longest = -(-num_examples // num_pieces)
    for piece, own_labels in zip(split(inputs, longest), labels.split(longest), strict=True):
        yield piece, own_labels, num_rows(piece) / num_examples


def configured_gradients(training: TrainingConfig) -> Gradients:
    """Return the way to a gradient that the configuration's section `training` names."""
    if training.gradients == "forward_mode":
        return ForwardMode(training.num_directions, training.direction_kind)
    if training.gradients == "zeroth_order":
        return ZerothOrder(
            training.num_directions, training.sigma, training.central_differences, training.direction_kind
        )
    return Backprop()
