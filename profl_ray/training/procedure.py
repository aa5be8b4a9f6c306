"""What a device does in a round: the contract between a device and the local work of a method.

A procedure owns its work from the first batch to the last and says what it sends, tells and keeps. It has no
settings of its own here: `LocalSGD` is the one of most methods, `Calibration` one that trains nothing.
"""

from abc import ABC, abstractmethod
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from typing import Protocol, Self

import numpy as np
import torch
from torch import Tensor, nn

from profl_ray.models import Features
from profl_ray.randomness import numpy_stream
from profl_ray.training.batch import as_batch, rows
from profl_ray.training.layout import NOTHING, Layout, State

BatchStep = Callable[[Features, Tensor], Tensor]
"""One step on inputs [N, ...] and labels [N]; returns the batch's loss, detached."""


class Task(Protocol):
    """What a procedure may know of its task (`LocalTask`)."""

    @property
    def moving(self) -> Layout:
        """Layout of what the work changes."""
        ...

    @property
    def down(self) -> Layout:
        """Layout of what goes down in every round."""
        ...

    @property
    def frozen(self) -> Layout:
        """Layout of the rest of the sub-model's state."""
        ...


@dataclass(frozen=True)
class Device:
    """What a procedure may know of the device that it works for."""

    number: int
    inputs: Features
    """Its examples [N, ...], or what a fixed prefix of the model makes of them."""
    labels: Tensor
    """int64 [N]."""
    seed: int = 0
    """Root seed of the random streams."""
    stream: tuple[str | int, ...] = ()
    """Name of the round in the random streams."""
    round: int = 1
    """Round inside the step (1, 2, ...)."""
    kept: State = field(default_factory=dict)
    """What it kept of its last round (`Outcome.kept`); empty the first time."""
    augmented: Callable[[Tensor, np.random.Generator], Tensor] | None = None
    """Makes a random variant of a batch (`Inputs.augmented`); None: batches stay as they are."""
    test: Callable[[], tuple[Features, Tensor]] | None = None
    """Makes inputs and labels of its own test, which it never trains on; None: it has none."""

    def own(self, name: str) -> np.random.Generator:
        """Return the generator of this device's stream of that name in this round."""
        return numpy_stream(self.seed, name, *self.stream, self.number)

    def shared(self, name: str, *more: str | int) -> np.random.Generator:
        """Return the generator that all devices of the round, and the server, draw the same numbers from."""
        return shared_stream(self.seed, self.stream, name, *more)

    def epoch(self, draw: np.random.Generator, batch_size: int) -> Iterator[tuple[Features, Tensor]]:
        """Yield all examples once as batches of inputs and labels, in an order that is drawn.

        A last batch of a single example is left out, since batch norm needs two values; but not if it is the
        only one, and not if every batch has one example.
        """
        num_examples = len(self.labels)
        order = torch.from_numpy(draw.permutation(num_examples)).to(self.labels.device)
        for batch in order.split(batch_size):
            if len(batch) == 1 < min(num_examples, batch_size):
                continue
            inputs = rows(self.inputs, batch)
            if self.augmented is not None:
                inputs = self.augmented(inputs, draw)
            # Under the same name: what a batch was made of is not held while it is trained on.
            inputs = as_batch(inputs)
            yield inputs, self.labels[batch]


def shared_stream(
    seed: int, stream: tuple[str | int, ...], name: str, *more: str | int
) -> np.random.Generator:
    """Return what `Device.shared` returns in the round called `stream` (`Plan.stream`)."""
    return numpy_stream(seed, "shared", name, *stream, *more)


@dataclass
class Outcome:
    """What came of a device's work."""

    loss: float
    """Mean over its examples, for the record."""
    weight: float
    """Of its update in the mean: its number of examples, or 1."""
    update: np.ndarray | None = None
    """float32 [sent.size]; None: the task's moving tensors as the work left them in the model."""
    told: State = field(default_factory=dict)
    """What the strategy reads device by device, beside the mean; it travels and counts as traffic."""
    kept: State = field(default_factory=dict)
    """What comes back to this device alone when it next trains; it travels nowhere."""
    figures: dict[str, float] = field(default_factory=dict)
    """Of this device; their mean, lowest, ... over the devices are figures of the round."""


class Procedure(ABC):
    """A device's local work. Frozen, hashable and small: it travels to the client actors with its task."""

    batch_size: int
    """Examples of the largest batch: what memory is estimated for."""

    @property
    def passes(self) -> int:
        """How often it goes through a device's examples, for counting operations."""
        return 1

    def sent(self, task: Task) -> Layout:
        """Return the layout of the update that devices send, and that is summed."""
        return task.moving

    def tells(self, task: Task) -> Layout:
        """Return the layout of what devices tell beside it."""
        return NOTHING

    def keeps(self, task: Task) -> Layout:
        """Return the layout of what a device keeps from round to round."""
        return NOTHING

    def at_rate(self, factor: float) -> Self:
        """Return the procedure of a round whose learning rate differs by this factor; here: it has none."""
        return self

    def for_memory(self) -> Self:
        """Return the procedure without what its memory need does not depend on."""
        return self

    @property
    def carries_tangents(self) -> bool:
        """Whether its step uses forward-mode AD."""
        return False

    @abstractmethod
    def begin(self, model: nn.Module, device: Device | None = None) -> BatchStep:
        """Make what a device needs for a round, its optimizer above all, and return the step on a batch.

        What devices train with is made here and nowhere else: memory is estimated by this step, for no device
        in particular.
        """

    @abstractmethod
    def work(self, model: nn.Module, task: Task, device: Device) -> Outcome:
        """Do the device's work of a round on `model`, in place; it holds the task's state."""
