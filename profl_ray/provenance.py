"""What results depend on beside the configuration: our own code, PyTorch, the processor."""

import os
import platform
from functools import cache
from hashlib import sha256
from pathlib import Path

import torch

PACKAGE = Path(__file__).parent


@cache
def source_digest(*rooms: str) -> str:
    """Return the digest of the source files of these rooms, such as `models`."""
    digest = sha256()
    for room in rooms:
        for path in sorted((PACKAGE / room).rglob("*.py")):
            digest.update(os.fsencode(path.relative_to(PACKAGE)) + path.read_bytes())
    return digest.hexdigest()


@cache
def machine_type() -> str:
    """Return what decides how a CPU rounds: PyTorch's version, the processor, the kernels chosen for it."""
    processor = platform.machine()
    cpuinfo = Path("/proc/cpuinfo")
    if cpuinfo.exists():
        names = (line for line in cpuinfo.read_text().splitlines() if line.startswith("model name"))
        processor = next(names, processor).partition(":")[2].strip() or processor
    return f"{torch.__version__} {processor} {torch.backends.cpu.get_cpu_capability()}"
