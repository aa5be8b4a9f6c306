"""Every storage is followed, whatever the step does; PyTorch's own tracker agrees where it can follow."""

from collections.abc import Callable

import pytest
import torch
from torch import Tensor, nn
from torch._subclasses.fake_tensor import FakeTensorMode
from torch.nn import functional

from profl_ray.config import load_experiment
from profl_ray.memory import NeedEstimator, estimate_need
from profl_ray.memory.live_bytes import follow
from profl_ray.server.experiment import make_network
from profl_ray.strategies import StrategyContext, full_task, make_strategy
from profl_ray.training import LocalSGD, LocalTask

FLOAT = 4


def tracked_bytes(task: LocalTask) -> int:
    """The peak that torch.distributed._tools.mem_tracker sees: backward passes of one model only."""
    from torch.distributed._tools.mem_tracker import MemTracker

    with FakeTensorMode():
        model = task.build()
        for module in model.modules():  # It hooks the gradient of every parameter, and frozen ones have none.
            for name, parameter in list(module.named_parameters(recurse=False)):
                if not parameter.requires_grad:
                    delattr(module, name)
                    module.register_buffer(name, parameter.detach())
        tracker, procedure, optimizer = MemTracker(), task.procedure, None
        if isinstance(procedure, LocalSGD):
            parameters = procedure.optimizer.of(model).parameters
            momentum = procedure.optimizer.momentum
            optimizer = torch.optim.SGD(parameters, lr=0.1, momentum=momentum, fused=True)
        tracker.track_external(*([model] if optimizer is None else [model, optimizer]))
        with tracker:
            for _ in range(2):
                images = torch.empty(task.batch_size, *task.input_shape)
                labels = torch.zeros(task.batch_size, dtype=torch.int64)
                if isinstance(procedure, LocalSGD) and optimizer is not None:
                    optimizer.zero_grad()
                    procedure.loss(model, images, labels).backward()
                    optimizer.step()
                else:
                    procedure.begin(model)(images, labels)
                del images, labels
                tracker.reset_mod_stats()
        (peak,) = tracker.get_tracker_snapshot("peak").values()
    return sum(size for kind, size in peak.items() if str(getattr(kind, "value", kind)) != "Total")


def tasks_of(*overrides: str) -> list[LocalTask]:
    """Every task of a strategy's schedule, and full training."""
    small = (
        "model.width=0.25",
        "training.batch_size=8",
        "federation.num_devices=2",
        "federation.cohort_size=1",
    )
    config = load_experiment("paper", [*small, *overrides])
    estimate = NeedEstimator()
    network = make_network(config, (3, 32, 32), 10, estimate.facts)
    quotas = ("federation.quotas.name=list", "federation.quotas.values_mib=[1e9,1e9]")
    config = load_experiment("paper", [*small, *overrides, *quotas])
    strategy = make_strategy(StrategyContext(network, config, estimate, torch.full((2,), 1e9).numpy()))
    return list(dict.fromkeys([full_task(network, config), *(task for _, task in strategy.schedule())]))


@pytest.mark.parametrize(
    "overrides",
    [
        ("model.name=resnet18",),
        ("model.name=resnet18", "strategy.profl.frozen_bn=eval"),
        ("model.name=vgg11_bn", "strategy.profl.output_module=head"),
        ("model.name=cnn", "strategy.name=heterofl"),
        ("model.name=cnn", "strategy.name=depthfl"),
        ("model.name=cnn", "strategy.name=progfed"),
    ],
    ids=" ".join,
)
def test_torchs_tracker_agrees_to_the_byte(overrides: tuple[str, ...]) -> None:
    for task in tasks_of(*overrides):
        assert estimate_need(task.build, task.begin).total_bytes == tracked_bytes(task), task.step


def peak(step: Callable[[nn.Module], object], model: Callable[[], nn.Module]) -> int:
    return estimate_need(model, lambda made: lambda: step(made)).total_bytes


def linear() -> nn.Module:
    return nn.Linear(100, 100, bias=False)


WEIGHT = FLOAT * 100 * 100
BATCH = FLOAT * 50 * 100


def test_a_forward_pass_holds_batch_and_output() -> None:
    @torch.no_grad()
    def step(model: nn.Module) -> None:
        model(torch.empty(50, 100))

    assert peak(step, linear) == WEIGHT + 2 * BATCH


def test_a_step_may_call_its_model_twice() -> None:
    """As a zeroth-order step does: both losses, one batch, a direction of the weight's size."""

    @torch.no_grad()
    def step(model: nn.Module) -> Tensor:
        batch, direction = torch.empty(50, 100), torch.empty(100, 100)
        weight = next(model.parameters())
        losses = []
        for sign in (1, -1):
            weight.add_(direction, alpha=sign)
            losses.append(model(batch).sum())
        return losses[0] - losses[1]

    scalars = 4 * FLOAT
    most = 2 * WEIGHT + 2 * BATCH
    assert most <= peak(step, linear) <= most + scalars


def test_a_frozen_teacher_saves_nothing() -> None:
    class Pair(nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.student, self.teacher = linear(), linear().requires_grad_(False)

        def forward(self, batch: Tensor) -> tuple[Tensor, Tensor]:
            return self.student(batch), self.teacher(batch)

    def step(model: nn.Module) -> None:
        model.zero_grad()
        functional.mse_loss(*model(torch.empty(50, 100))).backward()

    need = estimate_need(Pair, lambda made: lambda: step(made))
    assert need.parameters_bytes == 2 * WEIGHT and need.gradients_bytes in (0, WEIGHT)
    assert need.optimizer_bytes == 0


@pytest.mark.parametrize(("make", "kept"), [(torch.optim.Adam, 2), (torch.optim.SGD, 0)])
def test_any_optimizers_state_counts(make: type[torch.optim.Optimizer], kept: int) -> None:
    def begin(model: nn.Module) -> Callable[[], None]:
        optimizer = make(model.parameters(), lr=0.1)  # type: ignore[call-arg]

        def step() -> None:
            optimizer.zero_grad()
            model(torch.empty(50, 100)).sum().backward()
            optimizer.step()

        return step

    steps_bytes = FLOAT * (kept > 0)  # Adam counts its steps in a tensor.
    assert estimate_need(linear, begin).optimizer_bytes == kept * WEIGHT + steps_bytes


def test_real_tensors_are_followed_as_well() -> None:
    model = linear()

    def step() -> None:
        held = [torch.empty(50, 100) for _ in range(3)]
        held.clear()
        torch.empty(50, 100)

    assert follow(model, step).peak_bytes == WEIGHT + 3 * BATCH
