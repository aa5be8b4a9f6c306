"""A local task: which sub-model a device trains, what of it may change, and by which procedure."""

from collections.abc import Callable, Container
from dataclasses import dataclass, replace
from functools import cache
from itertools import takewhile
from typing import NamedTuple, Protocol, Self, cast

import torch
from torch import Tensor, nn
from torch._subclasses.fake_tensor import unset_fake_temporarily

from profl_ray.models import Network, state_tensors
from profl_ray.training.batch import as_batch
from profl_ray.training.layout import Layout
from profl_ray.training.procedure import Procedure


class ModelPlan(Protocol):
    """A frozen dataclass that builds a module; equal plans build equal modules."""

    @property
    def network(self) -> Network:
        """The network that the module is a part of."""
        ...

    @property
    def prefix_limit(self) -> int:
        """Leading units that its module can skip (`num_skipped`) when their output is given."""
        ...

    def build(self) -> nn.Module:
        """Build the module on torch's current default device."""
        ...


@dataclass(frozen=True)
class LocalTask:
    """What a device does in a round. Frozen, hashable and small: it travels to the client actors."""

    step: str
    """The step in words, for messages."""
    model: ModelPlan
    procedure: Procedure
    trainable: tuple[str, ...]
    """Prefixes of the names of the parameters that are trained."""
    moving_statistics: tuple[str, ...]
    """Prefixes of the names of the running statistics that a device sends back."""
    fixed_statistics: tuple[str, ...] = ()
    """Prefixes of the modules whose batch norm uses its running statistics while training (policy `eval`)."""
    refreshed: tuple[str, ...] = ()
    """Prefixes of what goes down in every round though this task does not train it: others do."""
    recomputed: int = 0
    """How many units are recomputed, from the first trained one on: the same weights for less memory."""

    @property
    def memory_key(self) -> str:
        """What the need depends on: everything but the step's name, the rate and the number of epochs."""
        return repr(replace(self, step="", procedure=self.procedure.for_memory()))

    def recomputing(self, num_units: int) -> Self:
        """Return the task with so many recomputed units, at most `num_recomputable`."""
        return replace(self, recomputed=num_units)

    @property
    def num_recomputable(self) -> int:
        """Units that a gradient passes, from the first trained one on; 0 where the model cannot recompute."""
        return len(_recomputable(replace(self, step="", recomputed=0)))

    @property
    def carries_tangents(self) -> bool:
        """Whether its step uses forward-mode AD."""
        return self.procedure.carries_tangents

    @property
    def batch_size(self) -> int:
        """Examples per optimizer step."""
        return self.procedure.batch_size

    @property
    def input_shape(self) -> tuple[int, ...]:
        """Of one input."""
        return self.model.network.input_shape

    @property
    def num_classes(self) -> int:
        """Number of labels."""
        return self.model.network.num_classes

    def build(self) -> nn.Module:
        """Build the module in training mode, with gradients for what is trained and for nothing else."""
        module = self.model.build()
        mark_trainable(module, self)
        set_training_mode(module, self.fixed_statistics)
        return module

    def begin(
        self,
        model: nn.Module,
        device: torch.device | None = None,
        memory_format: torch.memory_format = torch.contiguous_format,
    ) -> Callable[[], Tensor]:
        """Begin the procedure and return its step on one blank batch of full size, which returns the loss.

        It is what is estimated, measured and counted. `device`: of the batch; default: torch's.
        """
        train_batch = self.procedure.begin(model)

        def step() -> Tensor:
            inputs = as_batch(self.model.network.blank(self.batch_size, device), memory_format)
            labels = torch.arange(self.batch_size, device=device) % self.num_classes
            return train_batch(inputs, labels)

        return step

    @property
    def moving(self) -> Layout:
        """Layout of what the work changes and devices send back: trained parameters, moving statistics."""
        return _layouts(self).moving

    @property
    def down(self) -> Layout:
        """Layout of what goes down in every round: the moving tensors and the refreshed ones."""
        return _layouts(self).down

    @property
    def frozen(self) -> Layout:
        """Layout of the rest of the sub-model's state, which goes down when it is new."""
        return _layouts(self).frozen

    @property
    def prefix_units(self) -> int:
        """Leading units that are a fixed function of the input while this task trains.

        They are frozen, and their batch norm uses its running statistics: their
        output can be kept.
        """
        if not self.fixed_statistics:
            return 0
        indices = range(self.model.prefix_limit)
        return sum(1 for _ in takewhile(lambda i: f"units.{i}.".startswith(self.fixed_statistics), indices))

    @property
    def drifting(self) -> tuple[str, ...]:
        """Names of running statistics that training changes although they belong to the frozen part."""
        return tuple(
            name
            for name in self.frozen.names
            if name.endswith(("running_mean", "running_var")) and not name.startswith(self.fixed_statistics)
        )


def mark_trainable(module: nn.Module, task: LocalTask) -> None:
    """Let what `task` trains require gradients and nothing else, and its units be recomputed as it says."""
    if hasattr(module, "recomputed"):
        cast(_Recomputing, module).recomputed = _recomputable(replace(task, recomputed=0))[: task.recomputed]
    for name, parameter in module.named_parameters():
        parameter.requires_grad_(name.startswith(task.trainable))


def set_training_mode(module: nn.Module, fixed_statistics: tuple[str, ...]) -> None:
    """Put `module` into training mode, but the modules named by the prefixes into evaluation mode."""
    module.train()
    for name, layer in module.named_modules():
        if fixed_statistics and f"{name}.".startswith(fixed_statistics):
            layer.eval()


class _Recomputing(Protocol):
    recomputed: range


@cache
def _recomputable(task: LocalTask) -> range:
    """Return the indices of the units that a gradient passes."""
    # The memory estimator asks within its fake mode, which in PyTorch 2.14 takes no meta tensors.
    with unset_fake_temporarily(), torch.device("meta"):
        module = task.model.build()
    if not hasattr(module, "recomputed"):
        return range(0)
    num_units = len(list(module.get_submodule("units").children()))
    trained = [name for name, _ in module.named_parameters() if name.startswith(task.trainable)]
    with_parameters = {int(name.split(".")[1]) for name in trained if name.startswith("units.")}
    return range(min(with_parameters, default=num_units), num_units)


class _Layouts(NamedTuple):
    moving: Layout
    down: Layout
    frozen: Layout


@cache
def _layouts(task: LocalTask) -> _Layouts:
    with torch.device("meta"):
        module = task.build()
    parameters = {name for name, _ in module.named_parameters()}
    shapes = {name: tuple(tensor.shape) for name, tensor in state_tensors(module).items()}
    moving = {
        name
        for name in shapes
        if name.startswith(task.trainable if name in parameters else task.moving_statistics)
    }
    down = {name for name in shapes if name in moving or name.startswith(task.refreshed)}

    def layout(names: Container[str]) -> Layout:
        return Layout.of({name: shape for name, shape in shapes.items() if name in names})

    return _Layouts(layout(moving), layout(down), layout(shapes.keys() - down))
