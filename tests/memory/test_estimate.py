"""The estimator: the method's figures, exact parts, and nothing allocated."""

import resource

import pytest
import torch

from profl_ray.memory import MIB, Need, estimate_need
from profl_ray.training import LocalTask

from .conftest import MakeTask

# PyTorch's memory tracker (torch.distributed._tools.mem_tracker) on plain modules: batch 128, 3x32x32, SGD
# with momentum; full training, then steps 1..4. Late steps: the lower end of the range, which a prefix that
# runs as one flat loop reaches.
TRACKED_MIB = {
    "resnet18": (679, 404, 231, 141, 180),
    "resnet34": (1158, 533, 364, 304, 237),
}
TOLERANCE = 0.05


def need_of(task: LocalTask) -> Need:
    return estimate_need(task.build, task.begin)


@pytest.mark.parametrize("block", [None, 1, 2, 3, 4])
@pytest.mark.parametrize("name", TRACKED_MIB)
def test_section_8(name: str, block: int | None, make_task: MakeTask) -> None:
    need = need_of(make_task(name, block, width=1.0, size=32, batch_size=128))
    assert need.mib == pytest.approx(TRACKED_MIB[name][block or 0], rel=TOLERANCE)


def test_estimating_takes_no_memory_and_no_random_number(make_task: MakeTask) -> None:
    task = make_task("cnn", width=1.0, size=32, batch_size=32_768)  # Would need 14 GiB.
    before = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * 1024
    state = torch.get_rng_state()
    assert need_of(task).mib > 14_000
    assert torch.equal(torch.get_rng_state(), state)
    assert resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * 1024 - before < 256 * MIB


@pytest.mark.parametrize("name", ["cnn", "vgg11_bn"])
def test_parameters_and_optimizer_state_are_exact(name: str, make_task: MakeTask) -> None:
    task = make_task(name, size=32)
    need = need_of(task)
    with torch.device("meta"):
        model = task.build()
    trained = sum(4 * p.numel() for p in model.parameters() if p.requires_grad)
    state = sum(t.numel() * t.element_size() for t in model.state_dict().values())
    assert need.parameters_bytes == state
    assert need.optimizer_bytes == trained
    assert need.total_bytes == sum(
        (
            need.parameters_bytes,
            need.gradients_bytes,
            need.optimizer_bytes,
            need.activations_bytes,
            need.temporaries_bytes,
        )
    )


def test_momentum_is_what_the_optimizer_keeps(make_task: MakeTask) -> None:
    with_momentum, without = need_of(make_task()), need_of(make_task(momentum=0.0))
    assert without.optimizer_bytes == 0
    assert with_momentum.total_bytes - without.total_bytes == with_momentum.optimizer_bytes > 0


def test_frozen_blocks_hold_no_gradient_no_momentum_and_no_activations(make_task: MakeTask) -> None:
    full, last = need_of(make_task()), need_of(make_task(block=2))
    assert last.parameters_bytes == full.parameters_bytes
    assert last.optimizer_bytes < full.optimizer_bytes
    assert last.activations_bytes < full.activations_bytes
    assert last.total_bytes < full.total_bytes


def test_need_grows_with_batch_width_and_image(make_task: MakeTask) -> None:
    base = need_of(make_task()).total_bytes
    for larger in (make_task(batch_size=16), make_task(width=0.5), make_task(size=32)):
        assert need_of(larger).total_bytes > base


def test_estimating_twice_gives_the_same(make_task: MakeTask) -> None:
    assert need_of(make_task(block=1)) == need_of(make_task(block=1))
