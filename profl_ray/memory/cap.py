"""The cap that bites while a device trains: RLIMIT_DATA on a CPU, the allocator's limit on a GPU.

Ray's `memory=` only places actors; nothing caps what they use. The limit is the process's data size when the
device begins, plus what its quota leaves, plus an allowance for everything that is not a tensor. A device
that runs into it gets an error from PyTorch's allocator; the process lives.
"""

import resource
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import torch

from profl_ray.memory.need import MIB

_NO_MEMORY = (
    "can't allocate memory",
    "bad_alloc",
    # No memory for a thread's stack.
    "Resource temporarily unavailable",
    # oneDNN does not say why it failed; in a loop that runs without a cap it does not.
    "could not create a primitive",
    "could not execute a primitive",
)


@contextmanager
def memory_cap(allowance_mib: float, device: torch.device) -> Iterator[None]:
    """Let this process allocate `allowance_mib` MiB more than it holds now, until the block is left."""
    allowance_bytes = int(allowance_mib * MIB)
    if device.type == "cuda":
        # What the allocator keeps for reuse would come on top of the allowance.
        if torch.cuda.memory_reserved(device) - torch.cuda.memory_allocated(device) > allowance_bytes:
            torch.cuda.empty_cache()
        total = torch.cuda.get_device_properties(device).total_memory
        held = torch.cuda.memory_reserved(device)
        torch.cuda.set_per_process_memory_fraction(min(1.0, (held + allowance_bytes) / total), device)
        try:
            yield
        finally:
            torch.cuda.set_per_process_memory_fraction(1.0, device)
        return
    soft, hard = resource.getrlimit(resource.RLIMIT_DATA)
    standing = [bound for bound in (soft, hard) if bound != resource.RLIM_INFINITY]
    limit = min([_data_bytes() + allowance_bytes, *standing])
    resource.setrlimit(resource.RLIMIT_DATA, (limit, hard))
    try:
        yield
    finally:
        resource.setrlimit(resource.RLIMIT_DATA, (soft, hard))


def is_out_of_memory(error: RuntimeError) -> bool:
    """Tell whether `error` was raised because PyTorch, or a library under it, got no memory."""
    return isinstance(error, torch.OutOfMemoryError) or any(words in str(error) for words in _NO_MEMORY)


def _data_bytes() -> int:
    """Return the size of this process's data segment (VmData)."""
    for line in Path("/proc/self/status").read_text().splitlines():
        if line.startswith("VmData:"):
            return int(line.split()[1]) * 1024
    raise AssertionError("/proc/self/status has no VmData")
