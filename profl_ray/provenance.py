"""What results depend on beside the configuration: our own code, PyTorch, the processor."""

import os
import platform
import subprocess
from functools import cache
from hashlib import sha256
from pathlib import Path

import numpy as np
import torch

from profl_ray import __version__

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
def program() -> str:
    """Return which profl-ray this is: its version and commit, or a digest where there is no git checkout."""
    return f"profl-ray {__version__} at {_commit() or 'sources ' + source_digest('')[:12]}"


def _commit() -> str:
    """Return the commit that we run from, `-dirty` if files were changed since; empty if git knows none."""
    root = PACKAGE.parent
    if not (root / ".git").exists():
        return ""
    command = ["git", "--no-optional-locks", "-C", str(root)]
    command += ["describe", "--always", "--dirty", "--exclude=*"]
    try:
        done = subprocess.run(command, capture_output=True, text=True, timeout=10.0, check=False)
    except (OSError, subprocess.TimeoutExpired):
        return ""
    return done.stdout.strip() if done.returncode == 0 else ""


@cache
def machine_type() -> str:
    """Return what decides what is drawn and how a CPU rounds: versions, processor, kernels chosen for it."""
    processor = platform.machine()
    cpuinfo = Path("/proc/cpuinfo")
    if cpuinfo.exists():
        names = (line for line in cpuinfo.read_text().splitlines() if line.startswith("model name"))
        processor = next(names, processor).partition(":")[2].strip() or processor
    return f"{torch.__version__} {np.__version__} {processor} {torch.backends.cpu.get_cpu_capability()}"
