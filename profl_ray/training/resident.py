"""Resident models: built once, with the weights of whatever is done next set in place."""

from dataclasses import dataclass, field

import torch
from torch import nn

from profl_ray.models import materialise, state_tensors
from profl_ray.training.batch import MEMORY_FORMAT
from profl_ray.training.orders import TaskState
from profl_ray.training.task import LocalTask, ModelPlan, mark_trainable

RESIDENT_MODELS = 8
"""Models kept between calls; a step needs one or two, a method with several widths a few more."""

Key = tuple[ModelPlan, tuple[str, ...]]
"""A model and what of it uses running statistics: tasks that agree in both share a resident model."""


@dataclass
class Resident:
    """A model that stays."""

    model: nn.Module
    tensors: dict[str, torch.Tensor]
    """The model's state by name: the very memory that it trains."""
    task: LocalTask
    """What its parameters require gradients for."""
    versions: dict[str, str] = field(default_factory=dict)
    """Of each tensor that holds a frozen value, the version of that value."""

    def set(self, state: TaskState) -> None:
        """Set the weights: what goes down in every round, and of the frozen part what is not there yet."""
        task, version = state.task, state.frozen_version
        if self.task != task:
            mark_trainable(self.model, task)
            self.task = task
        stale = {name for name in task.frozen.names if self.versions.get(name) != version}
        if stale:
            task.frozen.load(self.tensors, state.frozen, stale)
            self.versions |= dict.fromkeys(stale, version)
        for name in task.down.names:
            self.versions.pop(name, None)
        task.down.load(self.tensors, state.down)

    def left_by(self, task: LocalTask) -> None:
        """Let go of what the work on `task` left behind."""
        self.model.zero_grad(set_to_none=True)
        for name in task.drifting:
            self.versions.pop(name, None)


class Residents:
    """The resident models of a worker, at most `RESIDENT_MODELS`."""

    def __init__(self, device: torch.device) -> None:
        self.device = device
        self.by_key: dict[Key, Resident] = {}

    def hold(self, state: TaskState) -> Resident:
        """Return the task's resident model with the state's weights set."""
        key = _key(state.task)
        if key not in self.by_key:
            while len(self.by_key) >= RESIDENT_MODELS:
                del self.by_key[next(iter(self.by_key))]
            with torch.device("meta"):
                model = state.task.build()
            # Channels last: 10 to 25 % faster on a CPU, and its kernels keep fewer copies (docs/memory.md).
            materialise(model, self.device).to(memory_format=MEMORY_FORMAT)
            self.by_key[key] = Resident(model, state_tensors(model), state.task)
        resident = self.by_key[key]
        resident.set(state)
        return resident

    def drop(self, task: LocalTask) -> None:
        """Build the task's model anew when it is next held."""
        del self.by_key[_key(task)]


def _key(task: LocalTask) -> Key:
    return task.model, task.fixed_statistics
