"""What travels between the server and those who train: orders there, results back."""

import operator
from collections.abc import Iterable
from dataclasses import dataclass, field
from functools import reduce

import numpy as np

from profl_ray.memory import Demand
from profl_ray.training.layout import State
from profl_ray.training.task import LocalTask


@dataclass(frozen=True)
class TaskState:
    """A task with the state that its sub-model starts from, as two flat arrays."""

    task: LocalTask
    down: np.ndarray
    """What goes down in every round: float32 [task.down.size]."""
    frozen: np.ndarray
    """What does not change meanwhile: float32 [task.frozen.size]."""
    frozen_version: str
    """Changes whenever a frozen tensor does; who holds this version already needs no copy. Tasks on the same
    model that have the same version agree in every tensor that is frozen in both."""
    density: float = 1.0
    """Share of `down`, and of an update of the same tensors, that really travels: below 1 under a mask."""


@dataclass(frozen=True)
class DeviceOrder:
    """One device's part in a round."""

    device: int
    task_index: int
    """Index into the round's tasks."""
    quota_mib: float
    """What the device may use; infinity where the method ignores quotas."""
    demand: Demand
    """What its work takes."""
    recomputed: int = 0
    """How many units it recomputes (`LocalTask.recomputed`)."""
    kept: State = field(default_factory=dict)
    """What it kept of its last round."""


@dataclass(frozen=True)
class GroupOrder:
    """A piece of the cohort that is summed in its own order, wherever it is trained."""

    index: int
    stream: tuple[str | int, ...]
    """Name of the round in the random streams."""
    step_round: int
    """Round inside the step (1-based)."""
    devices: tuple[DeviceOrder, ...]
    rate_factor: float = 1.0
    """By which the round's learning rate differs from the configured one."""


@dataclass(frozen=True)
class DeviceReport:
    """What a device tells of its round."""

    device: int
    task_index: int
    num_examples: int
    loss: float | None
    """Mean local loss in the last epoch; None if the device failed."""
    seconds: float
    failure: str | None = None
    figures: dict[str, float] = field(default_factory=dict)
    recomputed: int = 0


@dataclass
class TaskSum:
    """Weighted sum of the updates of one task: sum over devices of weight x update."""

    total: np.ndarray
    """float32 [sent.size] of the task's procedure."""
    weight: float
    """Sum of the weights: of the devices' numbers of examples, by most procedures."""

    def add(self, other: "TaskSum") -> None:
        """Add another sum. Floating-point addition depends on the order: callers keep it fixed."""
        self.total += other.total
        self.weight += other.weight


@dataclass
class GroupResult:
    """What came back of a group; of devices that failed, their reports alone."""

    index: int
    sums: dict[int, TaskSum] = field(default_factory=dict)
    """By index of the task; a task that no device trained is not there."""
    reports: list[DeviceReport] = field(default_factory=list)
    told: dict[int, State] = field(default_factory=dict)
    """By device: what it tells the strategy."""
    kept: dict[int, State] = field(default_factory=dict)
    """By device: what comes back to it."""

    def absorb(self, other: "GroupResult") -> None:
        """Take in the next devices' results."""
        self.reports.extend(other.reports)
        self.told |= other.told
        self.kept |= other.kept
        for task_index, addend in sorted(other.sums.items()):
            if task_index in self.sums:
                self.sums[task_index].add(addend)
            else:
                self.sums[task_index] = TaskSum(addend.total.copy(), addend.weight)


@dataclass(frozen=True, eq=False)
class EvaluationSum:
    """Evaluation of some of the test examples. Counts are whole numbers, so that adding them is exact."""

    num_correct: np.ndarray
    """Right answers by true class: int64 [num_classes]."""
    num_seen: np.ndarray
    """Examples by true class: int64 [num_classes]."""
    loss_sum: float

    @classmethod
    def total(cls, parts: Iterable["EvaluationSum"]) -> "EvaluationSum":
        """Return the sum of one part or more, added in their order."""
        return reduce(operator.add, parts)

    def __add__(self, other: "EvaluationSum") -> "EvaluationSum":
        return EvaluationSum(
            self.num_correct + other.num_correct,
            self.num_seen + other.num_seen,
            self.loss_sum + other.loss_sum,
        )

    def __eq__(self, other: object) -> bool:
        return (
            isinstance(other, EvaluationSum)
            and np.array_equal(self.num_correct, other.num_correct)
            and np.array_equal(self.num_seen, other.num_seen)
            and self.loss_sum == other.loss_sum
        )

    @property
    def num_examples(self) -> int:
        """All examples."""
        return int(self.num_seen.sum())

    @property
    def accuracy(self) -> float:
        """Share of all examples with the right answer."""
        return int(self.num_correct.sum()) / self.num_examples

    @property
    def loss(self) -> float:
        """Mean loss of an example."""
        return self.loss_sum / self.num_examples

    @property
    def recalls(self) -> tuple[float | None, ...]:
        """Share of each class's examples with the right answer; None for a class without any."""
        counts = zip(self.num_correct.tolist(), self.num_seen.tolist(), strict=True)
        return tuple(correct / seen if seen else None for correct, seen in counts)
