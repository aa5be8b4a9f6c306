"""The cap: allocations beyond it fail with an error that can be caught, and the process lives."""

import resource

import pytest
import torch

from profl_ray.memory import MIB, is_out_of_memory, memory_cap

from .conftest import MakeTask

CPU = torch.device("cpu")


def limit() -> tuple[int, int]:
    return resource.getrlimit(resource.RLIMIT_DATA)


def test_an_allocation_beyond_the_cap_fails_and_the_process_lives() -> None:
    before = limit()
    with pytest.raises(RuntimeError) as caught, memory_cap(64, CPU):
        torch.empty(512 * MIB, dtype=torch.uint8).fill_(1)
    assert is_out_of_memory(caught.value)
    assert limit() == before
    torch.empty(512 * MIB, dtype=torch.uint8)  # Allowed again. (Not touched: no memory is taken.)


def test_what_is_within_the_cap_is_given() -> None:
    before = limit()
    with memory_cap(256, CPU):
        assert limit()[0] < (before[0] if before[0] != resource.RLIM_INFINITY else 2**62)
        assert torch.empty(64 * MIB, dtype=torch.uint8).fill_(1)[-1] == 1
    assert limit() == before


def test_the_cap_counts_what_is_held_at_once() -> None:
    with memory_cap(256, CPU):
        for _ in range(4):
            torch.empty(100 * MIB, dtype=torch.uint8)
        with pytest.raises(RuntimeError) as caught:
            [torch.empty(100 * MIB, dtype=torch.uint8) for _ in range(4)]
    assert is_out_of_memory(caught.value)


def test_the_limit_comes_back_after_any_error() -> None:
    before = limit()
    with pytest.raises(KeyError), memory_cap(64, CPU):
        raise KeyError("something else")
    assert limit() == before


def test_a_cap_never_lifts_a_limit_that_stands() -> None:
    """`ulimit -d`, or a cap around it, stays in force."""
    before = limit()
    with memory_cap(128, CPU):
        outer = limit()
        with memory_cap(10_000, CPU):
            assert limit()[0] <= outer[0]
        assert limit() == outer
    assert limit() == before


def test_training_beyond_the_cap_fails_and_can_continue_afterwards(make_task: MakeTask) -> None:
    """A real step: the convolution's output alone is larger than the cap."""
    task = make_task("cnn", width=4.0, size=32, batch_size=512)  # 128 MiB after the first convolution.
    small = make_task("cnn", width=4.0, size=32, batch_size=2)
    model = task.build()
    images, labels = torch.zeros(512, 3, 32, 32), torch.zeros(512, dtype=torch.int64)
    step = task.procedure.begin(model)
    with pytest.raises(RuntimeError) as caught, memory_cap(48, CPU):
        step(images, labels)
    assert is_out_of_memory(caught.value)
    loss = small.procedure.begin(model)(images[:2], labels[:2])
    assert torch.isfinite(loss)


@pytest.mark.parametrize(
    ("error", "expected"),
    [
        (RuntimeError("Resource temporarily unavailable"), True),
        (torch.OutOfMemoryError("CUDA out of memory"), True),
        (RuntimeError("[enforce fail] DefaultCPUAllocator: can't allocate memory: you tried ..."), True),
        (RuntimeError("could not create a primitive"), True),
        (RuntimeError("size mismatch"), False),
    ],
)
def test_recognising_the_error(error: RuntimeError, expected: bool) -> None:
    assert is_out_of_memory(error) is expected
