"""The cap that bites while a device trains: RLIMIT_DATA on a CPU, the allocator's limit on a GPU.

Ray's `memory=` only places actors; nothing caps what they use. The limit is the process's data size when the
device begins, plus what its quota leaves, plus an allowance for everything that is not a tensor. A device
that runs into it gets an error from PyTorch's allocator; the process lives.

Freed memory that the process or the allocator has kept counts in that size, and a device could use it beside
its allowance. So where more is kept than the allowance, it is given back first: a device never has more than
twice its allowance.
"""

import ctypes
import resource
from collections.abc import Iterator
from contextlib import contextmanager
from functools import cache
from pathlib import Path

import torch

from profl_ray.memory.need import MIB

_NO_MEMORY = (
    "can't allocate memory",
    "bad_alloc",
    # oneDNN does not say why it failed; in a loop that runs without a cap it does not.
    "could not create a primitive",
    "could not execute a primitive",
)


@contextmanager
def memory_cap(allowance_mib: float, device: torch.device) -> Iterator[None]:
    """Let this process allocate `allowance_mib` MiB more than it holds now, until the block is left."""
    allowance_bytes = int(allowance_mib * MIB)
    if device.type == "cuda":
        kept = torch.cuda.memory_reserved(device) - torch.cuda.memory_allocated(device)
        if kept > allowance_bytes:
            torch.cuda.empty_cache()
        total = torch.cuda.get_device_properties(device).total_memory
        held = torch.cuda.memory_reserved(device)
        torch.cuda.set_per_process_memory_fraction(min(1.0, (held + allowance_bytes) / total), device)
        try:
            yield
        finally:
            torch.cuda.set_per_process_memory_fraction(1.0, device)
        return
    _shrink_heap(allowance_bytes)
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


class _HeapUse(ctypes.Structure):
    """`struct mallinfo2` of the GNU C library."""

    _fields_ = [
        *((name, ctypes.c_size_t) for name in ("arena", "ordblks", "smblks", "hblks", "hblkhd")),
        *((name, ctypes.c_size_t) for name in ("usmblks", "fsmblks", "uordblks", "fordblks", "keepcost")),
    ]


@cache
def _c_library() -> ctypes.CDLL | None:
    """Return the C library if it is one that keeps a heap and says so (GNU, 2.33 or newer)."""
    library = ctypes.CDLL(None)
    if not (hasattr(library, "mallinfo2") and hasattr(library, "malloc_trim")):
        return None
    library.mallinfo2.restype = _HeapUse
    return library


def _shrink_heap(allowance_bytes: int) -> None:
    """Give freed memory back to the system, if more than the allowance is kept."""
    library = _c_library()
    if library is not None and library.mallinfo2().fordblks > allowance_bytes:
        library.malloc_trim(ctypes.c_size_t(0))


def _data_bytes() -> int:
    """Return the size of this process's data segment (VmData)."""
    for line in Path("/proc/self/status").read_text().splitlines():
        if line.startswith("VmData:"):
            return int(line.split()[1]) * 1024
    raise AssertionError("/proc/self/status has no VmData")
