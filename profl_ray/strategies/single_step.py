"""Common part of methods whose run is one step of a fixed number of rounds: weights and a count of rounds."""

from abc import abstractmethod
from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np

from profl_ray.strategies.base import (
    Plan,
    Progress,
    Step,
    Strategy,
    StrategyContext,
    initial_state,
    task_state,
    task_states,
)
from profl_ray.strategies.stages import Stage
from profl_ray.training import LocalTask, State, TaskState, TaskSum

TRAIN = Step("train")


class SingleStep(Strategy):
    """Trains the same tasks in every round, `strategy.rounds` times; subclasses name the tasks."""

    stages = (Stage(TRAIN.stage, "T", fill="#d0d0d0", band="#f4f4f4", hatch=""),)

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

    def plan(self) -> Plan:
        """Return the tasks with their weights."""
        return self.plan_of(task_states(self.tasks(), self.weights, str(self.rounds_done)))

    def plan_of(self, states: tuple[TaskState, ...], phase: str = "") -> Plan:
        """Return a plan of this round."""
        return Plan(TRAIN, 0, self.rounds_done + 1, states, phase)

    def merge(self, sums: Mapping[int, TaskSum], told: Mapping[int, State]) -> None:
        """Replace what was trained by the mean over those who trained it."""
        self.weights |= merge_whole(self.tasks(), sums)

    def progress(self) -> Progress:
        """End after the last round."""
        ended = self.rounds_done + 1 >= self.round_limit
        return Progress(ended, "fixed_rounds" if ended else "")

    def evaluation(self) -> TaskState:
        """Return the complete model."""
        # The weights with which the next round begins.
        return task_state(self.complete_task(), self.weights, str(self.rounds_done + 1))

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


def merge_whole(tasks: Sequence[LocalTask], sums: Mapping[int, TaskSum]) -> State:
    """Return the new values of every tensor that some task trained: the weighted mean over those who did.

    Tensors are owned whole; one that no device trained is not there, and so keeps its value.
    """
    totals: State = {}
    weights: dict[str, float] = {}
    for index, addend in sorted(sums.items()):
        for name, total in tasks[index].moving.unpack(addend.total).items():
            totals[name] = totals[name] + total if name in totals else total
            weights[name] = weights.get(name, 0.0) + addend.weight
    return {name: total / np.float32(weights[name]) for name, total in totals.items()}
