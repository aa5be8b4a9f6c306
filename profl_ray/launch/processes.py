"""Child processes that never outlive us: found by parent, session or mark, and ended one by one."""

import ctypes
import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Mapping
from contextlib import suppress
from pathlib import Path
from typing import IO, NamedTuple

MARK = "PROFL_RAY_CHILD_OF"
"""Environment variable that every process of a family inherits; its value is unique to the family."""

_PROC = Path("/proc")
_PR_SET_PDEATHSIG = 1


class Process(NamedTuple):
    """One running process; the start time tells it from a later one that got the same pid.

    Parent and session are as they were when it was found; only pid and start time identify it.
    """

    pid: int
    parent: int
    session: int
    started: int


def start(
    command: list[str], environment: Mapping[str, str], mark: str, output: int | IO[bytes]
) -> subprocess.Popen[bytes]:
    """Start `command` in a session of its own; it gets SIGTERM when we die, even by kill -9.

    Call it from the main thread: Linux counts the death of the starting thread.
    """
    return subprocess.Popen(
        command,
        env={**environment, MARK: mark},
        stdin=subprocess.DEVNULL,
        stdout=output,
        stderr=subprocess.STDOUT,
        start_new_session=True,
        preexec_fn=_die_with_parent(),
    )


def end(child: subprocess.Popen[bytes], mark: str, grace_seconds: float = 10.0) -> None:
    """SIGTERM the child, wait, then SIGKILL what is left of its family; no other process is touched."""
    # Recorded before the first signal: later they may have lost their parent.
    known = set(family(child.pid, mark, reaped=child.returncode is not None))
    if not _has_ended(child):
        os.kill(child.pid, signal.SIGTERM)
        deadline = time.monotonic() + grace_seconds
        while not _has_ended(child) and time.monotonic() < deadline:
            time.sleep(0.05)
    sweep(child.pid, mark, known, reaped=child.returncode is not None)
    if not _PROC.is_dir():  # no /proc (macOS): at least the process group, which is ours alone
        with suppress(ProcessLookupError, PermissionError):
            os.killpg(child.pid, signal.SIGKILL)
    child.wait()


def sweep(pid: int, mark: str, known: set[Process], reaped: bool = False) -> None:
    """SIGKILL the recorded processes and the rest of the family, until none is left (or 5 s are over)."""
    born = {(process.pid, process.started) for process in known}  # not the parent: it may change
    deadline = time.monotonic() + 5.0
    while time.monotonic() < deadline:
        left = {p for p in running() if (p.pid, p.started) in born}.union(family(pid, mark, reaped))
        if not left:
            return
        for process in left:
            with suppress(ProcessLookupError, PermissionError):
                os.kill(process.pid, signal.SIGKILL)
        time.sleep(0.1)


def family(pid: int, mark: str, reaped: bool = False) -> list[Process]:
    """Return the running processes that descend from `pid`, share its session or carry `mark`.

    One test is not enough: a daemon loses its parent, a Ray job opens a new session, and a process that
    renames itself (ray::IDLE) overwrites its environment. `reaped`: the number may be a stranger's now.
    """
    everybody = running()
    ours = set() if reaped else {pid}
    ours |= {p.pid for p in everybody if p.session == pid or _environment_has(p.pid, f"{MARK}={mark}")}
    while more := {p.pid for p in everybody if p.parent in ours} - ours:
        ours |= more
    return [p for p in everybody if p.pid in ours and p.pid != os.getpid()]


def _has_ended(child: subprocess.Popen[bytes]) -> bool:
    """Look without collecting the child: its number stays its own until its family is gone."""
    if child.returncode is not None:
        return True
    return os.waitid(os.P_PID, child.pid, os.WEXITED | os.WNOHANG | os.WNOWAIT) is not None


def running() -> list[Process]:
    """Return all processes of this machine that are not dead yet."""
    found = []
    for entry in _PROC.glob("[0-9]*"):
        try:
            # The name in brackets may hold spaces: what follows the last bracket is regular.
            fields = (entry / "stat").read_text(errors="replace").rpartition(")")[2].split()
        except OSError:
            continue
        if fields and fields[0] not in "ZX":  # a dead process that its parent has not collected yet
            found.append(Process(int(entry.name), int(fields[1]), int(fields[3]), int(fields[19])))
    return found


def _environment_has(pid: int, assignment: str) -> bool:
    try:
        return assignment.encode() in (_PROC / str(pid) / "environ").read_bytes().split(b"\0")
    except OSError:  # another user's, or gone
        return False


def _die_with_parent() -> Callable[[], None] | None:
    """Return what the child does before exec so that the kernel ends it with us (Linux only)."""
    if sys.platform != "linux":
        return None
    prctl = ctypes.CDLL(None, use_errno=True).prctl  # looked up here: after the fork it could deadlock
    parent = os.getpid()

    def before_exec() -> None:
        prctl(_PR_SET_PDEATHSIG, signal.SIGTERM)
        if os.getppid() != parent:  # we died in between
            os._exit(1)

    return before_exec
