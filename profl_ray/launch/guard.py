"""A tiny process that outlives us only to clean up: for kill -9, when nothing of ours can run.

The kernel's SIGTERM to the head (see `processes.start`) is not enough: a head that is still starting
leaves its dashboard's helpers behind, and a running one its folder.
"""

import os
import shutil
import signal
import subprocess
import sys
import time
from contextlib import suppress
from pathlib import Path

from profl_ray.launch import processes

_GRACE_SECONDS = 10.0


class Guard:
    """Our end of the guard: it acts when this pipe closes without a word of dismissal."""

    def __init__(self, mark: str, folder: Path) -> None:
        source = str(Path(__file__).resolve().parents[2])
        self._process = subprocess.Popen(
            [sys.executable, "-m", "profl_ray.launch.guard", mark, str(folder)],
            env={**os.environ, "PYTHONPATH": source},
            stdin=subprocess.PIPE,
            stdout=subprocess.DEVNULL,
            stderr=subprocess.DEVNULL,
            start_new_session=True,  # Ctrl-C in the terminal must not reach it
        )

    def watch(self, pid: int) -> None:
        """Tell it the first process of the family."""
        self._tell(f"{pid}\n")

    def dismiss(self) -> None:
        """Send it home: the family has ended."""
        self._tell("done\n")
        assert self._process.stdin is not None
        with suppress(OSError):
            self._process.stdin.close()
        try:
            self._process.wait(timeout=5.0)
        except subprocess.TimeoutExpired:
            self._process.kill()
            self._process.wait()

    def _tell(self, line: str) -> None:
        assert self._process.stdin is not None
        with suppress(OSError):  # it was killed: the kernel's SIGTERM is what remains
            self._process.stdin.write(line.encode())
            self._process.stdin.flush()


def clean_up(pid: int, mark: str, folder: Path) -> None:
    """Let the head end by itself (the kernel has told it to), then kill what is left of its family."""
    known = set(processes.family(pid, mark))
    deadline = time.monotonic() + _GRACE_SECONDS
    while time.monotonic() < deadline and any(p.pid == pid for p in processes.family(pid, mark)):
        time.sleep(0.2)
    processes.sweep(pid, mark, known, reaped=True)
    shutil.rmtree(folder, ignore_errors=True)


def main() -> None:
    """Wait for the end of the pipe; clean up unless we were dismissed."""
    for number in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP):
        signal.signal(number, signal.SIG_IGN)
    mark, folder = sys.argv[1], Path(sys.argv[2])
    pid = 0
    for line in sys.stdin:
        if line.strip() == "done":
            return
        pid = int(line)
    if pid:
        clean_up(pid, mark, folder)


if __name__ == "__main__":
    main()
