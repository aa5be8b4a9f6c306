"""What a node reports of itself. Runs on the node, perhaps with other versions of everything than here.

So it is sent by value, takes and returns plain values alone, imports nothing of ours before it has to, and
tells of what went wrong instead of raising it.
"""

import os
import platform
import resource
import shutil
import subprocess
import sys
import time
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path
from typing import Any
from urllib.error import HTTPError
from urllib.request import Request, urlopen

from profl_ray.sizes import MIB

PACKAGES = ("ray", "torch", "numpy", "mlflow")
CAP_SECONDS = 60.0
SHARED_SECONDS = 5.0
"""How long a file may take to be seen on another node: NFS keeps names in mind for a while."""

CAP_PROOF = """
import sys, torch
from profl_ray.memory import is_out_of_memory, memory_cap
device = torch.device(*((sys.argv[1], 0) if sys.argv[1] == "cuda" else sys.argv[1:]))
torch.zeros(8, device=device)
with memory_cap(64, device):
    torch.zeros(2**20, device=device)
    try:
        torch.zeros(2**28, device=device)
    except RuntimeError as error:
        sys.exit(0 if is_out_of_memory(error) else f"the error is not understood: {str(error)[:200]}")
sys.exit("1 GiB was allocated under a cap of 64 MiB")
"""


def look(order: dict[str, Any]) -> dict[str, Any]:
    """Return what this node is like.

    order: `data` the section of the configuration as plain values; `accelerator` where devices train;
    `storage` the folder of the driver's trial files, perhaps absent; `health_url` of an MLflow server or
    None; `name` of this node.
    """
    report: dict[str, Any] = {
        "name": order["name"],
        "versions": versions(),
        "code": _attempt(code),
        "machine_type": _attempt(_machine_type),
        "num_cpus": _num_cpus(),
        "num_gpus": _attempt(_num_gpus),
        "memory": memory(),
        "open_files": resource.getrlimit(resource.RLIMIT_NOFILE)[0],
        "shm_mib": _disk("/dev/shm")[0],
        "omp_num_threads": os.environ.get("OMP_NUM_THREADS", ""),
        "data": _attempt(lambda: _data(order["data"])),
        "cap": _attempt(lambda: prove_cap(order["accelerator"])),
    }
    if order.get("storage"):
        report["storage"] = _attempt(lambda: try_folder(Path(order["storage"]), order["name"]))
    if order.get("health_url"):
        report["server"] = _attempt(lambda: _answer(order["health_url"]))
    report["clock"] = time.time()  # Last: the driver compares it with the time of arrival.
    return report


def _attempt(question: Any) -> Any:
    """Return the answer, or {"error": why there is none}."""
    try:
        return question()
    except Exception as error:  # Any error is what this node reports.
        text = " ".join(str(error).split())[:300]
        known = any(kind.__name__ == "UserError" for kind in type(error).__mro__)
        return {"error": text if known else f"{type(error).__name__}: {text}"}


def versions() -> dict[str, str]:
    """Return the versions of Python and of the packages that must agree; "missing" for one that is absent."""
    found = {"Python": platform.python_version()}
    for name in PACKAGES:
        try:
            found[name] = version(name)
        except PackageNotFoundError:
            found[name] = "missing"
    return found


def code() -> dict[str, str]:
    """Return our version, and the digest of all our source files."""
    from profl_ray import __version__
    from profl_ray.provenance import source_digest

    return {"version": __version__, "digest": source_digest("")[:12]}


def _machine_type() -> str:
    from profl_ray.provenance import machine_type

    return machine_type()


def _num_cpus() -> int:
    """Return the CPUs as Ray counts them: those of the machine, or of the container's share."""
    count = os.cpu_count() or 1
    quota, _, period = _read("/sys/fs/cgroup/cpu.max").partition(" ")
    if not quota.isdecimal():
        quota = _read("/sys/fs/cgroup/cpu/cpu.cfs_quota_us")
        period = _read("/sys/fs/cgroup/cpu/cpu.cfs_period_us")
    if quota.isdecimal() and period.isdecimal() and int(period):
        return max(1, min(count, int(quota) // int(period)))
    return count


def _num_gpus() -> int:
    import torch

    return torch.cuda.device_count()


def memory() -> dict[str, float | None]:
    """Return MiB: of the machine, available now, this process's limit, and the limit that Ray sees."""
    lines = (line.split() for line in _read("/proc/meminfo").splitlines())
    sizes = {words[0].rstrip(":"): int(words[1]) / 1024 for words in lines if len(words) > 1}
    own = _cgroup_limits()
    root = [_limit("/sys/fs/cgroup/memory.max"), _limit("/sys/fs/cgroup/memory/memory.limit_in_bytes")]
    total = sizes["MemTotal"]
    return {
        "total_mib": total,
        "available_mib": sizes["MemAvailable"],
        "limit_mib": min(
            (limit for limit in own + root if limit is not None and limit < total), default=None
        ),
        "seen_by_ray_mib": min(
            (limit for limit in root if limit is not None and limit < total), default=None
        ),
    }


def _cgroup_limits() -> list[float | None]:
    """Return the limits of this process's control group and of all above it, versions 2 and 1."""
    limits = []
    for line in _read("/proc/self/cgroup").splitlines():
        _, controllers, group = line.split(":", 2)
        if controllers not in ("", "memory"):
            continue
        base = Path("/sys/fs/cgroup/memory" if controllers else "/sys/fs/cgroup")
        file = "memory.limit_in_bytes" if controllers else "memory.max"
        parts = Path(group.lstrip("/"))
        limits += [_limit(base / folder / file) for folder in (parts, *parts.parents)]
    return limits


def _limit(path: str | Path) -> float | None:
    text = _read(path)
    return int(text) / MIB if text.isdecimal() else None


def _read(path: str | Path) -> str:
    """Return a file of the kernel's; empty where the kernel has none."""
    try:
        return Path(path).read_text().strip()
    except OSError:
        return ""


def _disk(path: str | Path) -> tuple[float, float]:
    """Return size and free space in MiB of the file system at `path`; zeros if there is none."""
    try:
        usage = shutil.disk_usage(path)
    except OSError:
        return 0.0, 0.0
    return usage.total / MIB, usage.free / MIB


def _data(section: dict[str, Any]) -> dict[str, Any]:
    """Load the data set, without a download, and return its shape, size and digest."""
    from hashlib import sha256

    from profl_ray.config import DataConfig
    from profl_ray.federation import load_data

    data = load_data(DataConfig(**{**section, "download": False}))
    digest = sha256()
    for array in data.arrays:
        digest.update(f"{array.shape}{array.dtype}".encode() + array.tobytes())
    return {
        "input_shape": list(data.input_shape),
        "num_classes": data.num_classes,
        "num_examples": len(data.train_labels),
        "size_mib": sum(array.nbytes for array in data.arrays) / MIB,
        "digest": digest.hexdigest()[:12],
    }


def prove_cap(accelerator: str) -> str:
    """Let a process of its own ask for more than its cap; "" if it was refused, else what happened."""
    environment = {**os.environ, "PYTHONPATH": os.pathsep.join(filter(None, sys.path))}
    process = subprocess.run(
        [sys.executable, "-c", CAP_PROOF, accelerator],
        env=environment,
        capture_output=True,
        text=True,
        timeout=CAP_SECONDS,
        check=False,
    )
    if process.returncode == 0:
        return ""
    lines = process.stderr.strip().splitlines()
    return lines[-1][:300] if lines else f"the process ended with {process.returncode}"


def _answer(url: str) -> str:
    """Ask an HTTP server; "" if it answers, be it that it wants to know who asks; else what it answered."""
    try:
        with urlopen(Request(url), timeout=5.0):
            return ""
    except HTTPError as error:
        return "" if error.code in (401, 403) else f"status {error.code}"


def try_folder(folder: Path, name: str) -> dict[str, Any]:
    """Read what the driver wrote in `folder`, write a file for it, try locking and renaming there.

    The driver holds the lock meanwhile, so that a lock which is got does not lock.
    """
    deadline = time.monotonic() + SHARED_SECONDS
    while _read(folder / "driver") != folder.name:
        if time.monotonic() > deadline:
            root = folder.parent
            return {"seen": False, "what": "is another folder here" if root.is_dir() else "is not there"}
        time.sleep(0.1)
    written = folder / f"node-{name}"
    aside = folder / f"aside-{name}"
    try:
        for text in ("old", "new"):  # The second one replaces the first.
            aside.write_text(text)
            aside.replace(written)
            if written.read_text() != text or aside.exists():
                return {"seen": True, "written": True, "renames": False, "locks": False}
    except OSError as error:
        return {"seen": True, "written": False, "what": error.strerror or str(error)}
    return {"seen": True, "written": True, "renames": True, "locks": _is_locked(folder / "lock")}


def _is_locked(path: Path) -> bool:
    from filelock import FileLock, Timeout

    lock = FileLock(path)
    try:
        lock.acquire(timeout=0)
    except Timeout:
        return True
    lock.release()
    return False
