"""The one estimator that gates every method: it follows the storages of a step on tensors that hold nothing.

Nothing is allocated and nothing is computed. What the step does is its own affair: go backward, call a model
twice, carry tangents, keep a frozen teacher beside a student, use any optimizer.
"""

from collections.abc import Callable
from contextlib import AbstractContextManager
from dataclasses import asdict
from pathlib import Path
from typing import Any, Protocol

import torch
from torch import nn
from torch._subclasses.fake_tensor import FakeTensorMode

from profl_ray.facts import KeptFacts
from profl_ray.memory.live_bytes import follow
from profl_ray.memory.need import Need

Step = Callable[[], object]


class Work(Protocol):
    """A piece of training: a sub-model with its local procedure."""

    @property
    def memory_key(self) -> str:
        """What the need depends on, as text: equal keys have equal needs."""
        ...

    @property
    def carries_tangents(self) -> bool:
        """Whether the step uses forward-mode AD."""
        ...

    def build(self) -> nn.Module:
        """Build the module on torch's current default device, trainable parameters marked."""
        ...

    def begin(self, model: nn.Module) -> Step:
        """Make the optimizer and return the step, which trains `model` on one blank batch of full size."""
        ...


def blank_tensors(carries_tangents: bool) -> AbstractContextManager[object]:
    """Return the context in which tensors hold nothing: fake ones, which forward-mode AD does not take."""
    return torch.device("meta") if carries_tangents else FakeTensorMode()


def estimate_need(
    build: Callable[[], nn.Module], begin: Callable[[nn.Module], Step], carries_tangents: bool = False
) -> Need:
    """Return the peak memory of the step that `begin` returns for the model, float32, on any device type.

    The step is done twice, so that an optimizer's state counts. All that it holds must be torch's tensors.
    """
    with blank_tensors(carries_tangents):
        model = build()
        parts = follow(model, begin(model)).at_peak
    return Need(**{f"{name}_bytes": parts[name] for name in Need.PARTS})


class NeedEstimator:
    """Estimates needs, each once: a sweep's trials find them in `folder`; None keeps them in memory alone."""

    def __init__(self, folder: Path | None = None) -> None:
        self.facts = KeptFacts(folder)

    def __call__(self, task: Work) -> Need:
        """Return the need of `task`."""

        def find_out() -> dict[str, int]:
            return asdict(estimate_need(task.build, task.begin, task.carries_tangents))

        return self.facts.get(task.memory_key, find_out, _need)


def _need(answer: Any) -> Need:
    return Need(**answer)
