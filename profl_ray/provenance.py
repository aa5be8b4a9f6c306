"""What results depend on beside the configuration: our own code, PyTorch, the processor."""

import os
import platform
from functools import cache
from hashlib import sha256
from pathlib import Path

import numpy as np
import torch

PACKAGE = Path(__file__).parent


@cache
def source_digest(*rooms: str) -> str:
    """Return the digest of the source files of these rooms, such as `models`, or modules: `randomness.py`."""
    digest = sha256()
    for room in rooms:
        place = PACKAGE / room
        paths = [place] if place.is_file() else sorted(place.rglob("*.py"))
        assert paths, f"there is no {place}"
        for path in paths:
            digest.update(os.fsencode(path.relative_to(PACKAGE)) + path.read_bytes())
    return digest.hexdigest()


@cache
def machine_type() -> str:
    """Return what decides what is drawn and how a CPU rounds: versions, processor, kernels chosen for it."""
    processor = platform.machine()
    cpuinfo = Path("/proc/cpuinfo")
    if cpuinfo.exists():
        names = (line for line in cpuinfo.read_text().splitlines() if line.startswith("model name"))
        processor = next(names, processor).partition(":")[2].strip() or processor
    return f"{torch.__version__} {np.__version__} {processor} {torch.backends.cpu.get_cpu_capability()}"
