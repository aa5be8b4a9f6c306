"""The measured peak: exact on plain tensors, within the stated error of the prediction on real training."""

from functools import partial

import pytest
import torch
from torch import nn

from profl_ray.memory import MIB, Demand, estimate_need, measure_peak_bytes, measure_step_bytes
from profl_ray.memory.need import SMALLEST_ERROR_MIB, STATED_ERROR
from profl_ray.strategies.base import initial_state
from profl_ray.training.task import LocalTask

from .conftest import MakeTask

CPU = torch.device("cpu")


def tiny_model() -> nn.Module:
    return nn.Linear(4, 2)  # 8 + 2 scalars


def held(*sizes_mib: int, release: bool = False):
    """Return work that allocates so much, one after the other, holding all or only the last."""

    def work() -> None:
        kept: list[torch.Tensor] = []
        for size in sizes_mib:
            if release:
                kept.clear()
            kept.append(torch.empty(size * MIB, dtype=torch.uint8))

    return work


@pytest.mark.parametrize(
    ("work", "mib"),
    [
        (held(), 0),
        (held(3), 3),
        (held(3, 5, 2), 10),
        (held(3, 5, 2, release=True), 5),
    ],
)
def test_plain_tensors(work, mib: int) -> None:
    assert measure_peak_bytes(tiny_model(), work) == mib * MIB + 40


def test_memory_from_before_is_not_counted() -> None:
    kept = torch.empty(8 * MIB, dtype=torch.uint8)
    assert measure_peak_bytes(tiny_model(), held(2)) == 2 * MIB + 40
    del kept


def real_model(task: LocalTask) -> nn.Module:
    """Return the task's model as a worker holds it: initialised, channels last."""
    with torch.device("meta"):
        module = task.build()
    module.to_empty(device="cpu").to(memory_format=torch.channels_last)
    state = initial_state(task.model, 1)
    with torch.no_grad():
        for name, tensor in module.state_dict().items():
            if name in state:
                tensor.copy_(torch.from_numpy(state[name]))
    return module


@pytest.mark.parametrize(
    ("name", "width", "block"),
    [("cnn", 1.0, None), ("cnn", 1.0, 1), ("cnn", 1.0, 2), ("resnet18", 0.25, 2), ("vgg11_bn", 0.25, None)],
)
def test_prediction_holds(name: str, width: float, block: int | None, make_task: MakeTask) -> None:
    """The peak is beyond the prediction by the stated error at most, and the prediction is not idle."""
    task = make_task(name, block, width=width, size=32, batch_size=16)
    model = real_model(task)
    need_mib = estimate_need(task.build, task.begin).mib
    peak_mib = measure_step_bytes(model, partial(task.begin, model, CPU, torch.channels_last)) / MIB
    assert peak_mib <= need_mib * (1 + STATED_ERROR) + SMALLEST_ERROR_MIB
    assert peak_mib >= need_mib * (1 - STATED_ERROR)
    assert Demand(need_mib, peak_mib).refusal(need_mib) == ""


def test_measuring_again_gives_the_same(make_task: MakeTask) -> None:
    task = make_task("cnn", 2)
    peaks = []
    for _ in range(2):
        model = real_model(task)
        peaks.append(measure_step_bytes(model, partial(task.begin, model, CPU, torch.channels_last)))
    assert peaks[0] == peaks[1]
