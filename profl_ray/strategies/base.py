"""What a strategy decides: the contract between the server and a training method of a paper."""

from abc import ABC, abstractmethod
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, ClassVar

import numpy as np
import torch

from profl_ray.config import ExperimentConfig
from profl_ray.memory import Need
from profl_ray.models import Network, SubModelPlan, initialise, materialise, state_tensors
from profl_ray.training import LocalTask, ModelPlan, State, Supervised, TaskState, TaskSum


@dataclass(frozen=True)
class Step:
    """A step of a strategy's schedule: a stage and the block that it trains (0: no particular block)."""

    stage: str
    block: int = 0

    def __str__(self) -> str:
        return f"{self.stage} {self.block}" if self.block else self.stage


@dataclass(frozen=True)
class Plan:
    """What the devices of the next round may train."""

    step: Step
    step_index: int
    """Index of the step in the schedule (0-based)."""
    step_round: int
    """Round inside the step (1-based)."""
    states: tuple[TaskState, ...]
    """The tasks with their weights, costliest first."""
    phase: str = ""
    """Names a further pass of the same round; empty for its training."""


@dataclass(frozen=True)
class Progress:
    """How the step stands after a round."""

    step_ended: bool = False
    end_reason: str = ""
    effective_movement: float | None = None
    slope: float | None = None
    """Percentage points of effective movement per round."""


@dataclass(frozen=True)
class StrategyContext:
    """What a strategy is given: the network, the configuration, the one estimator of memory, the quotas."""

    network: Network
    config: ExperimentConfig
    need: Callable[[LocalTask], Need]
    quotas_mib: np.ndarray
    """float64 [num_devices]."""


class Strategy(ABC):
    """A training method. The server calls plan, merge, progress, evaluation, advance: once each a round.

    Before an evaluation it also calls survey, and merge_survey if that asked for a pass over the cohort.
    """

    name: ClassVar[str]

    def __init__(self, context: StrategyContext) -> None:
        self.context = context

    @abstractmethod
    def schedule(self) -> list[tuple[Step, LocalTask]]:
        """Return every task of the run with its step, in order; known before any training."""

    @property
    @abstractmethod
    def finished(self) -> bool:
        """Whether the last step has ended."""

    @property
    @abstractmethod
    def units_grown(self) -> int:
        """Units of the complete model that are trained for good."""

    @property
    @abstractmethod
    def round_limit(self) -> int:
        """Most rounds that the current step may take."""

    @abstractmethod
    def plan(self) -> Plan:
        """Return what the next round trains."""

    def quotas_mib(self) -> np.ndarray:
        """Return the quotas that the method respects, float64 [num_devices]; infinity where it does not."""
        return self.context.quotas_mib

    def assign(self, needs_mib: Sequence[float], quotas_mib: np.ndarray) -> np.ndarray:
        """Return for every device the index of its task, -1 where it can afford none: int64 [num_devices].

        By default the first task, in the plan's order, whose need is within the device's quota.
        """
        choice = np.full(len(quotas_mib), -1, dtype=np.int64)
        for index, need_mib in reversed(list(enumerate(needs_mib))):
            choice[quotas_mib >= need_mib] = index
        return choice

    @abstractmethod
    def merge(self, sums: Mapping[int, TaskSum]) -> None:
        """Take in the weighted sums of the round's updates, by index of the task."""

    @abstractmethod
    def progress(self) -> Progress:
        """Tell whether the step ends with this round."""

    def survey(self) -> Plan | None:
        """Return a pass over the cohort that an evaluation needs, such as one for running statistics."""
        return None

    def merge_survey(self, sums: Mapping[int, TaskSum]) -> None:
        """Take in what the survey's tasks sent back, as `merge` does."""
        raise NotImplementedError

    @abstractmethod
    def evaluation(self) -> TaskState:
        """Return the model to evaluate, with its weights."""

    @abstractmethod
    def advance(self, progress: Progress) -> None:
        """Go on to the next round, or to the next step where this one ended."""

    def complete_task(self) -> LocalTask:
        """Return the complete model as a task; by default the plain network."""
        return full_task(self.context.network, self.context.config)

    @abstractmethod
    def complete_weights(self) -> State:
        """Return the weights of the complete model as they stand."""

    @abstractmethod
    def state_dict(self) -> tuple[State, dict[str, Any]]:
        """Return everything needed to resume: tensors, and facts that JSON can hold."""

    @abstractmethod
    def load_state_dict(self, tensors: State, facts: dict[str, Any]) -> None:
        """Take back what `state_dict` returned."""


def supervised(config: ExperimentConfig) -> Supervised:
    """Return supervised local training as configured."""
    return Supervised(**config.training.model_dump())


def full_task(network: Network, config: ExperimentConfig) -> LocalTask:
    """Return training of the whole network: the reference of every reduction."""
    plan = SubModelPlan(network, network.num_blocks)
    return LocalTask("full", plan, supervised(config), ("",), ("",))


def initial_state(plan: ModelPlan, seed: int, *stream: str | int) -> State:
    """Return initial weights of the plan's module, drawn from the named stream."""
    with torch.device("meta"):
        module = plan.build()
    materialise(module, torch.device("cpu"))
    initialise(module, seed, *stream)
    return {name: tensor.detach().numpy().copy() for name, tensor in state_tensors(module).items()}


def task_state(task: LocalTask, weights: State, frozen_version: str) -> TaskState:
    """Return `task` with its part of `weights`, packed."""
    return TaskState(task, task.moving.pack(weights), task.frozen.pack(weights), frozen_version)


def mean_update(task: LocalTask, addend: TaskSum) -> State:
    """Return the mean of the updates, weighted by images."""
    return task.moving.unpack(addend.total / np.float32(addend.num_images))
