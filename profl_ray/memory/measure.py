"""The measured peak: what PyTorch's allocator really handed out during real training.

On a CPU the allocator keeps no statistics, but it reports every allocation and release to the profiler, so
their running sum is the memory that tensors held. Measuring costs about a quarter of a second, so it is done
once per step and batch shape, not on every device: the same shapes take the same memory.
"""

from collections.abc import Callable

import torch
from torch import nn
from torch.autograd.profiler import profile


def measure_step_bytes(model: nn.Module, begin: Callable[[], Callable[[], object]]) -> int:
    """Return the peak of the step that `begin` returns, done twice: the second has an optimizer's state."""

    def work() -> None:
        step = begin()
        step()
        step()

    return measure_peak_bytes(model, work)


def measure_peak_bytes(model: nn.Module, work: Callable[[], object]) -> int:
    """Run `work` and return the peak bytes of tensors: those of `model`, and all that `work` allocated.

    `model` must hold no gradients when this is called, and `work` must not move it.
    """
    resident = sum(tensor.untyped_storage().nbytes() for tensor in model.state_dict(keep_vars=True).values())
    device = next(model.parameters()).device
    if device.type == "cuda":
        torch.cuda.synchronize(device)
        torch.cuda.reset_peak_memory_stats(device)
        before = torch.cuda.memory_allocated(device)
        work()
        torch.cuda.synchronize(device)
        return resident + torch.cuda.max_memory_allocated(device) - before
    return resident + _cpu_peak_bytes(work)


def _cpu_peak_bytes(work: Callable[[], object]) -> int:
    # Not torch.profiler's, which imports the compiler as it starts: a second, and 80 MiB for good.
    with profile(profile_memory=True) as profiler:
        work()
    assert profiler.kineto_results is not None
    changes = [
        (event.start_ns(), event.nbytes())
        for event in profiler.kineto_results.events()
        if event.name() == "[memory]"
    ]
    changes.sort(key=lambda change: change[0])
    held = peak = 0
    for _, num_bytes in changes:
        held += num_bytes
        peak = max(peak, held)
    return peak
