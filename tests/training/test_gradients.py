"""Every way to a gradient, held against backpropagation."""

import subprocess
import sys
from dataclasses import replace
from functools import partial

import numpy as np
import pytest
import torch
from torch import nn

from profl_ray.memory import NeedEstimator, measure_step_bytes
from profl_ray.memory.need import SMALLEST_ERROR_MIB, STATED_ERROR
from profl_ray.models import SubModelPlan, initialise, state_tensors
from profl_ray.training import SGD, CrossEntropy, LocalSGD, LocalTask, MaskedCrossEntropy
from profl_ray.training.gradients import Backprop, Draw, ForwardMode, Gradients, ZerothOrder

from .kit import NETWORK, TASK, TRAINING, make_order, make_state, make_worker

WAYS: dict[str, Gradients] = {
    "backprop": Backprop(),
    "forward_mode": ForwardMode(),
    "forward_mode gaussian": ForwardMode(2, "gaussian"),
    "zeroth_order": ZerothOrder(sigma=1e-4),
    "zeroth_order forward": ZerothOrder(2, sigma=1e-4, central=False),
}
every_way = pytest.mark.parametrize("way", WAYS.values(), ids=WAYS)
PLAN = SubModelPlan(NETWORK, 2)
INPUTS = torch.randn(8, 1, 8, 8, generator=torch.Generator().manual_seed(1))
LABELS = torch.arange(8) % 4


class Smooth(nn.Module):
    """A small model without kinks, in float64: differences are as good as derivatives."""

    def __init__(self) -> None:
        super().__init__()
        self.first = nn.Linear(3, 4, dtype=torch.float64)
        self.second = nn.Linear(4, 4, dtype=torch.float64)

    def forward(self, inputs: torch.Tensor) -> torch.Tensor:
        return self.second(torch.tanh(self.first(inputs)))


def smooth() -> tuple[nn.Module, torch.Tensor]:
    torch_generator = torch.Generator().manual_seed(3)
    model = Smooth()
    with torch.no_grad():
        for parameter in model.parameters():
            parameter.normal_(generator=torch_generator)
    return model, torch.randn(8, 3, dtype=torch.float64, generator=torch_generator)


def gradient_of(way: Gradients, number: int = 0, share: float = 1.0) -> torch.Tensor:
    model, inputs = smooth()
    draw = Draw(5, ("test", number))
    loss = way.add(CrossEntropy(), model, inputs, LABELS, share, draw)
    with torch.no_grad():
        assert float(loss) == pytest.approx(float(CrossEntropy()(model, inputs, LABELS)), abs=1e-6)
    assert not loss.requires_grad
    return torch.cat([parameter.grad.flatten() for parameter in model.parameters()])


def direction_of(kind: str, index: int, number: int = 0) -> torch.Tensor:
    model, _ = smooth()
    draw = Draw(5, ("test", number))
    return torch.cat([draw.direction(n, p, index, kind).flatten() for n, p in model.named_parameters()])


@pytest.mark.parametrize("way", list(WAYS.values())[1:], ids=list(WAYS)[1:])
def test_a_way_gives_the_slope_along_its_directions(way: Gradients) -> None:
    """Forward mode to rounding: jvp = <gradient of backpropagation, v>."""
    exact = gradient_of(Backprop())
    directions = [direction_of(way.kind, index) for index in range(way.num_directions)]
    expected = sum((exact @ v) * v for v in directions) / len(directions)
    tolerance = 1e-10 if isinstance(way, ForwardMode) else 2e-3
    torch.testing.assert_close(gradient_of(way), expected, rtol=tolerance, atol=tolerance)


@pytest.mark.parametrize("kind", ["rademacher", "gaussian"])
@pytest.mark.parametrize("way", [ForwardMode(400), ZerothOrder(400, 1e-5)], ids=["forward", "zeroth"])
def test_ways_agree_in_expectation(way: Gradients, kind: str) -> None:
    exact = gradient_of(Backprop())
    mean = sum(gradient_of(replace(way, kind=kind), number) for number in range(5)) / 5
    # The variance of 2000 directions: |g|^2 in every entry.
    assert (mean - exact).norm() < 4 * exact.norm() * (len(exact) / 2000) ** 0.5
    assert torch.nn.functional.cosine_similarity(mean, exact, dim=0) > 0.95


@every_way
def test_shares_add_up(way: Gradients) -> None:
    whole, model = gradient_of(way), smooth()
    module, inputs = model
    for share in (0.25, 0.75):
        way.add(CrossEntropy(), module, inputs, LABELS, share, Draw(5, ("test", 0)))
    torch.testing.assert_close(torch.cat([p.grad.flatten() for p in module.parameters()]), whole)


def task_with(way: Gradients, **changes) -> LocalTask:
    return LocalTask("train", PLAN, replace(TRAINING, gradients=way, **changes), ("",), ("",))


def model_of(task: LocalTask) -> nn.Module:
    model = task.build()
    initialise(model, 0)
    return model


@every_way
def test_a_step_of_rate_zero_leaves_the_bits_alone(way: Gradients) -> None:
    task = task_with(way, optimizer=SGD(0.0))
    model = model_of(task)
    before = {name: value.clone() for name, value in model.named_parameters()}
    task.procedure.begin(model)(INPUTS, LABELS)
    assert all(torch.equal(value, before[name]) for name, value in model.named_parameters())


@every_way
def test_running_statistics_move_as_in_one_pass(way: Gradients) -> None:
    model, other = model_of(task_with(way)), model_of(task_with(Backprop()))
    way.add(CrossEntropy(), model, INPUTS, LABELS, 1.0, Draw())
    other(INPUTS)
    exact = not isinstance(way, ZerothOrder) or not way.central  # Else it is the pass at w + sigma v.
    for name, value in state_tensors(other).items():
        if "running_" in name:
            tolerance = 0.0 if exact else 1e-2
            torch.testing.assert_close(state_tensors(model)[name], value, rtol=tolerance, atol=tolerance)


@every_way
def test_every_device_and_batch_has_directions_of_its_own(way: Gradients) -> None:
    state = make_state(replace(TASK, procedure=replace(TRAINING, gradients=way)))
    first = make_worker().train(make_order(0, 1), [state]).sums[0].total
    again = make_worker().train(make_order(0, 1), [state]).sums[0].total
    np.testing.assert_array_equal(first, again)
    other_round = make_worker().train(make_order(0, 1, step_round=2), [state]).sums[0].total
    assert not np.array_equal(first, other_round)
    assert not torch.equal(direction_of("rademacher", 0, 0), direction_of("rademacher", 0, 1))
    assert not torch.equal(direction_of("rademacher", 0), direction_of("rademacher", 1))


@every_way
@pytest.mark.parametrize("micro_batch_size", [None, 3])
def test_needs_are_within_the_stated_error_of_what_is_allocated(way, micro_batch_size) -> None:
    network = replace(NETWORK, width=1.0, input_shape=(1, 16, 16))
    training = LocalSGD(1, 16, SGD(0.1, 0.9), gradients=way, micro_batch_size=micro_batch_size)
    task = LocalTask("train", SubModelPlan(network, 2), training, ("",), ("",))
    model = model_of(task).to(memory_format=torch.channels_last)
    peak_mib = measure_step_bytes(model, partial(task.begin, model, None, torch.channels_last)) / 2**20
    need_mib = NeedEstimator()(task).mib
    assert peak_mib <= need_mib * (1 + STATED_ERROR) + SMALLEST_ERROR_MIB
    assert need_mib <= 1.3 * peak_mib + SMALLEST_ERROR_MIB, "nobody would be kept out for nothing"


def test_forward_ways_keep_no_activations() -> None:
    deep = replace(NETWORK, name="resnet18", input_shape=(1, 16, 16), partition=(8,))
    needs = {}
    for name, way in WAYS.items():
        task = LocalTask(
            "t", SubModelPlan(deep, 1), replace(TRAINING, batch_size=64, gradients=way), ("",), ()
        )
        needs[name] = NeedEstimator()(task)
    assert needs["backprop"].activations_bytes > 0
    assert all(need.activations_bytes == 0 for name, need in needs.items() if name != "backprop")
    assert all(need.mib < 0.9 * needs["backprop"].mib for name, need in needs.items() if name != "backprop")


def test_a_direction_of_a_part_is_the_part_of_the_direction() -> None:
    """A device that trains some tensors draws the same numbers for them as one that trains all."""
    model = model_of(TASK)
    some = {n: p for n, p in model.named_parameters() if n.startswith("head.")}
    for name, parameter in some.items():
        own = Draw(1, ("a",)).direction(name, parameter, 3, "rademacher")
        assert own.shape == parameter.shape and set(own.unique().tolist()) <= {-1.0, 1.0}


def test_ways_go_with_other_losses() -> None:
    for way in WAYS.values():
        task = task_with(way, loss=MaskedCrossEntropy())
        result = make_worker().train(make_order(0), [make_state(task)])
        assert result.reports[0].failure is None and result.reports[0].loss > 0


def test_no_way_imports_the_compiler() -> None:
    """A client actor would grow by 150 MiB (docs/architecture.md)."""
    program = (
        "import sys; sys.path.insert(0, 'tests')\n"
        "from training.test_gradients import WAYS, task_with, model_of, INPUTS, LABELS\n"
        "before = {name for name in sys.modules if name.startswith(('torch._dynamo', 'torch._inductor'))}\n"
        "for way in WAYS.values():\n"
        "    task = task_with(way); task.procedure.begin(model_of(task))(INPUTS, LABELS)\n"
        "after = {name for name in sys.modules if name.startswith(('torch._dynamo', 'torch._inductor'))}\n"
        "print(sorted(after - before))\n"
    )
    made = subprocess.run([sys.executable, "-W", "ignore", "-c", program], capture_output=True, text=True)
    assert made.stdout.strip() == "[]", made.stdout + made.stderr


# Micro-batches.


def test_micro_batches_are_exact_where_no_statistics_of_the_batch_count() -> None:
    for way in WAYS.values():
        gradients = []
        for size in (None, 3):
            model, inputs = smooth()
            training = LocalSGD(1, 8, SGD(0.0), gradients=way, micro_batch_size=size)
            loss = training.begin(model)(inputs, LABELS)
            gradients.append(torch.cat([p.grad.flatten() for p in model.parameters()]))
            with torch.no_grad():
                assert float(loss) == pytest.approx(float(CrossEntropy()(model, inputs, LABELS)), abs=1e-5)
        torch.testing.assert_close(*gradients, rtol=2e-3, atol=2e-3)


def test_micro_batches_need_less_and_are_another_training_under_batch_statistics() -> None:
    whole, pieces = task_with(Backprop()), task_with(Backprop(), micro_batch_size=4)
    assert NeedEstimator()(pieces).mib < NeedEstimator()(whole).mib
    sums = [make_worker().train(make_order(0), [make_state(task)]).sums[0].total for task in (whole, pieces)]
    assert not np.allclose(*sums, rtol=1e-4)
