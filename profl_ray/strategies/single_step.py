"""Common part of methods whose run is one step of a fixed number of rounds: weights and a count of rounds."""

from abc import abstractmethod
from collections.abc import Mapping
from typing import Any

from profl_ray.strategies.base import (
    Plan,
    Progress,
    Step,
    Strategy,
    StrategyContext,
    initial_state,
    task_state,
)
from profl_ray.strategies.merging import merge_whole
from profl_ray.training import LocalTask, State, TaskState, TaskSum

TRAIN = Step("train")


class SingleStep(Strategy):
    """Trains the same tasks in every round, `strategy.rounds` times; subclasses name the tasks."""

    def __init__(self, context: StrategyContext) -> None:
        super().__init__(context)
        self.rounds_done = 0
        self.weights = initial_state(self.complete_task().model, context.config.seed)

    @abstractmethod
    def tasks(self) -> list[LocalTask]:
        """Return the tasks, costliest first."""

    def schedule(self) -> list[tuple[Step, LocalTask]]:
        """Return the one step with its tasks."""
        return [(TRAIN, task) for task in self.tasks()]

    @property
    def finished(self) -> bool:
        """Whether all rounds are done."""
        return self.rounds_done >= self.round_limit

    @property
    def units_grown(self) -> int:
        """All units at the end, none before."""
        return self.context.network.num_units if self.finished else 0

    @property
    def round_limit(self) -> int:
        """Rounds of the run."""
        return self.context.config.strategy.rounds

    def task_weights(self, task: LocalTask) -> State:
        """Return the part of the weights that `task` trains; by default all, in full."""
        return self.weights

    def plan(self) -> Plan:
        """Return the tasks with their weights."""
        version = str(self.rounds_done)
        states = tuple(task_state(task, self.task_weights(task), version) for task in self.tasks())
        return Plan(TRAIN, 0, self.rounds_done + 1, states)

    def merge(self, sums: Mapping[int, TaskSum]) -> None:
        """Replace what was trained by the mean over those who trained it."""
        self.weights |= merge_whole(self.tasks(), sums)

    def progress(self) -> Progress:
        """End after the last round."""
        ended = self.rounds_done + 1 >= self.round_limit
        return Progress(ended, "fixed_rounds" if ended else "")

    def evaluation(self) -> TaskState:
        """Return the complete model."""
        return task_state(self.complete_task(), self.weights, str(self.rounds_done))

    def advance(self, progress: Progress) -> None:
        """Count the round."""
        self.rounds_done += 1

    def complete_weights(self) -> State:
        """Return the weights."""
        return self.weights

    def state_dict(self) -> tuple[State, dict[str, Any]]:
        """Return weights and rounds."""
        return dict(self.weights), {"rounds_done": self.rounds_done}

    def load_state_dict(self, tensors: State, facts: dict[str, Any]) -> None:
        """Take back what `state_dict` returned."""
        self.weights, self.rounds_done = dict(tensors), facts["rounds_done"]
