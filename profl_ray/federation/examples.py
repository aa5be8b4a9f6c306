"""A data set in memory: what is stored of each example, its label, and how it becomes a model's input."""

from dataclasses import dataclass
from typing import Literal, Protocol

import numpy as np
from torch import Tensor

from profl_ray.errors import UserError

Part = Literal["test", "validation"]
"""What is evaluated on: the test examples, or the part of the training examples that no device has."""


class Inputs(Protocol):
    """A kind of input: how what is stored becomes what a model takes. A small frozen dataclass; it travels.

    Its `repr` must tell everything that its tensors depend on beside the stored arrays.
    """

    def tensor(self, stored: np.ndarray) -> Tensor:
        """Return new inputs [N, ...] for stored examples [N, ...], which it leaves as they are."""
        ...

    def augmented(self, batch: Tensor, draw: np.random.Generator) -> Tensor:
        """Return a random variant of a batch of inputs [N, ...], of the same shape."""
        ...


@dataclass(frozen=True, eq=False)
class Examples:
    """Training and test examples of one data set."""

    train_inputs: np.ndarray
    """As they are stored: [num_train, ...], for instance uint8 [num_train, C, H, W] of pixels."""
    train_labels: np.ndarray
    """int64 [num_train], each in 0..num_classes-1."""
    test_inputs: np.ndarray
    """[num_test, ...], stored alike."""
    test_labels: np.ndarray
    """int64 [num_test], each in 0..num_classes-1."""
    num_classes: int
    inputs: Inputs
    train_groups: np.ndarray | None = None
    """int64 [num_train]: who each training example comes from (a writer, a user), where that is known."""

    @property
    def input_shape(self) -> tuple[int, ...]:
        """Shape of one input as it is stored: (C, H, W) of an image, (T,) of tokens."""
        return tuple(self.train_inputs.shape[1:])

    @property
    def arrays(self) -> tuple[np.ndarray, ...]:
        """All that is stored, in a fixed order."""
        own = (self.train_inputs, self.train_labels, self.test_inputs, self.test_labels)
        return own if self.train_groups is None else (*own, self.train_groups)


def check_examples(data: Examples, source: str) -> None:
    """Raise UserError, which begins with `source`, unless shapes, types and labels of `data` agree."""
    for part, inputs, labels in (
        ("training", data.train_inputs, data.train_labels),
        ("test", data.test_inputs, data.test_labels),
    ):
        if inputs.ndim == 0 or 0 in inputs.shape:
            raise UserError(f"{source}: {part} examples must not be empty, but are {list(inputs.shape)}")
        if labels.dtype != np.int64 or labels.shape != inputs.shape[:1]:
            raise UserError(
                f"{source}: {len(inputs)} {part} examples need as many int64 labels, "
                f"not {labels.dtype} {list(labels.shape)}"
            )
        if labels.min() < 0 or labels.max() >= data.num_classes:
            raise UserError(
                f"{source}: {part} labels must lie in 0..{data.num_classes - 1}, "
                f"not {labels.min()}..{labels.max()}"
            )
    train, test = data.train_inputs, data.test_inputs
    if train.shape[1:] != test.shape[1:] or train.dtype != test.dtype:
        raise UserError(
            f"{source}: training examples {train.dtype} {list(train.shape[1:])} and test examples "
            f"{test.dtype} {list(test.shape[1:])} differ"
        )
    groups = data.train_groups
    if groups is not None and (groups.dtype != np.int64 or groups.shape != data.train_labels.shape):
        raise UserError(
            f"{source}: {len(train)} training examples need as many int64 groups, "
            f"not {groups.dtype} {list(groups.shape)}"
        )
