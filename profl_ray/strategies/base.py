"""What a strategy decides: the contract between the server and a training method of a paper."""

from abc import ABC, abstractmethod
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, ClassVar

import numpy as np
import torch

from profl_ray.memory import Need
from profl_ray.models import Network, SubModelPlan, initialise, materialise, state_tensors
from profl_ray.sections import ExperimentConfig
from profl_ray.sections.strategy import AnyOptions
from profl_ray.strategies.stages import Stage
from profl_ray.training import Layout, LocalSGD, LocalTask, ModelPlan, State, TaskState, TaskSum


@dataclass(frozen=True)
class Step:
    """A step of a strategy's schedule: a stage and the block that it trains (0: no particular block)."""

    stage: str
    block: int = 0
    compares: bool = field(default=True, compare=False)
    """Whether accuracies at its end compare with those of other runs at the same step."""

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
    cohort_size: int | None = None
    """Devices to draw; None: `federation.cohort_size`."""

    @property
    def stream(self) -> tuple[str | int, ...]:
        """Name of the pass in the random streams (`training.shared_stream`)."""
        phase = (self.phase,) if self.phase else ()
        return (*phase, self.step_index, self.step_round)


@dataclass(frozen=True)
class Progress:
    """How the step stands after a round."""

    step_ended: bool = False
    end_reason: str = ""
    figures: Mapping[str, float] = field(default_factory=dict)
    """What it was decided by, by name: recorded with the round, and a metric in MLflow."""


@dataclass(frozen=True)
class StrategyContext:
    """What a strategy is given: the network, the configuration, the one estimator of memory, the quotas."""

    network: Network
    config: ExperimentConfig
    need: Callable[[LocalTask], Need]
    quotas_mib: np.ndarray
    """float64 [num_devices]."""

    def options(self, kind: type[AnyOptions]) -> AnyOptions:
        """Return a method's options as configured, by the class that declares them: `ProFL.Options`."""
        return self.config.strategy.options(kind)


class Strategy(ABC):
    """A training method. Once a round the server calls plan, assign, merge, progress, evaluation, advance.

    Before an evaluation it also does the passes over the cohort that `surveys` asks for. Who may train what
    is the server's affair (needs and quotas); who does train what, of what is affordable, is the strategy's.

    A method with options declares them as a class of its own, `class Options(Section)` with a default and a
    description for each; they are `strategy.NAME.OPTION` then, and `context.options(Mine.Options)`.
    """

    name: ClassVar[str]
    stages: ClassVar[tuple[Stage, ...]] = ()
    """How its stages are shown, in the order of legends; those that are not here get some look."""

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

    def assign(self, cohort: np.ndarray, affordable: np.ndarray) -> np.ndarray:
        """Return which task each device of the cohort trains: int64 [cohort], an index into the plan's tasks.

        cohort: int64 [cohort], device ids; affordable: bool [cohort, tasks], at least one in every row. A
        device can be given none but what it can afford. By default the first such task in the plan's order.
        """
        return affordable.argmax(axis=1)

    @abstractmethod
    def merge(self, sums: Mapping[int, TaskSum], told: Mapping[int, State]) -> None:
        """Take in the round: the weighted sums of the updates, by index of the task, and what devices told.

        told: by device, in the order of their ids; empty where the procedure tells nothing.
        """

    @abstractmethod
    def progress(self) -> Progress:
        """Tell whether the step ends with this round."""

    def figures(self) -> dict[str, float]:
        """Return figures of the method after the round's merge, by names of their own (none is usual).

        They are recorded with the round and become metrics in MLflow; those that are not finite are left out.
        """
        return {}

    def surveys(self, step_ended: bool) -> Iterator[Plan]:
        """Yield the passes over the cohort that an evaluation needs, such as one for running statistics.

        Each is done, and taken in by `merge_survey`, before the next is asked for.
        """
        return iter(())

    def merge_survey(self, plan: Plan, sums: Mapping[int, TaskSum], told: Mapping[int, State]) -> None:
        """Take in what came of a pass that `surveys` asked for, as `merge` does."""
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


def full_task(network: Network, config: ExperimentConfig) -> LocalTask:
    """Return training of the whole network: the reference of every reduction."""
    plan = SubModelPlan(network, network.num_blocks)
    return LocalTask("full", plan, LocalSGD.configured(config.training), ("",), ("",))


def initial_state(plan: ModelPlan, seed: int, *stream: str | int) -> State:
    """Return initial weights of the plan's module, drawn from the named stream."""
    with torch.device("meta"):
        module = plan.build()
    materialise(module, torch.device("cpu"))
    initialise(module, seed, *stream, family=plan.network.family)
    return {name: tensor.detach().numpy().copy() for name, tensor in state_tensors(module).items()}


def task_state(task: LocalTask, weights: State, frozen_version: str) -> TaskState:
    """Return `task` with its part of `weights`, packed."""
    return TaskState(task, task.down.pack(weights), task.frozen.pack(weights), frozen_version)


def task_states(tasks: Sequence[LocalTask], weights: State, frozen_version: str) -> tuple[TaskState, ...]:
    """Return the tasks with their parts of `weights`; what is alike is one array, and travels once."""
    down: dict[Layout, np.ndarray] = {}
    frozen: dict[Layout, np.ndarray] = {}
    for task in tasks:
        for packed, layout in ((down, task.down), (frozen, task.frozen)):
            if layout not in packed:
                packed[layout] = layout.pack(weights)
    return tuple(TaskState(task, down[task.down], frozen[task.frozen], frozen_version) for task in tasks)


def mean_update(task: LocalTask, addend: TaskSum) -> State:
    """Return the weighted mean of the updates."""
    return task.moving.unpack(addend.total / np.float32(addend.weight))
