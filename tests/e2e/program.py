"""The program as a user starts it."""

import os
import signal
import subprocess
import sys
import time
from contextlib import suppress
from pathlib import Path
from typing import NamedTuple

import pytest

from profl_ray.launch import processes

ROOT = Path(__file__).parents[2]
MARK = "PROFL_RAY_TEST"


class Finished(NamedTuple):
    code: int
    out: str
    err: str

    @property
    def last(self):
        return self.out.splitlines()[-1]


class Program:
    """Starts `python -m profl_ray` as a user would; all that it starts in turn carries our mark."""

    def __init__(self, mark, temporary):
        self.mark, self.temporary = mark, temporary
        foreign = ("RAY_ADDRESS", "RAY_JOB_ID", "MLFLOW_TRACKING_URI", "RAY_AUTH_MODE")
        self.environment = {key: value for key, value in os.environ.items() if key not in foreign}
        self.environment |= {"PYTHONPATH": str(ROOT), "PYTHONUNBUFFERED": "1", MARK: mark}
        self.environment |= {"TMPDIR": str(temporary), "OMP_NUM_THREADS": "1"}

    def start(self, *arguments, start_new_session=False, **environment):
        return subprocess.Popen(
            [sys.executable, "-m", "profl_ray", *map(str, arguments)],
            cwd=self.temporary,
            env=self.environment | environment,
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
            start_new_session=start_new_session,
            # In a background job of a shell SIGINT is ignored, and children would inherit that.
            preexec_fn=lambda: signal.signal(signal.SIGINT, signal.SIG_DFL),
        )

    def run(self, *arguments, timeout=240, **environment):
        process = self.start(*arguments, **environment)
        try:
            out, err = process.communicate(timeout=timeout)
        except subprocess.TimeoutExpired:
            process.kill()
            out, err = process.communicate()
            pytest.fail(f"not done after {timeout} s: {out[-2000:]} {err[-2000:]}")
        return Finished(process.returncode, out, err)

    def pids(self, word):
        """Processes of our programs whose command line holds `word`, such as a Ray actor's class."""
        ours = {process.pid for process in self._running()}
        return [pid for pid in sorted(ours) if word in _command(pid)]

    def end(self):
        """End whatever is left."""
        for process in self._running():
            with suppress(ProcessLookupError):
                os.kill(process.pid, signal.SIGKILL)

    def left(self):
        """Command lines of what runs and was started by our programs."""
        return [_command(process.pid) for process in self._running()]

    def _running(self):
        # A process that renames itself, as Ray's workers do, overwrites its environment: so children count.
        everybody = processes.running()
        ours = {p.pid for p in everybody if processes._environment_has(p.pid, f"{MARK}={self.mark}")}
        ours |= {p.pid for p in everybody if str(self.temporary) in _command(p.pid)}
        while more := {p.pid for p in everybody if p.parent in ours} - ours:
            ours |= more
        return [process for process in everybody if process.pid in ours]

    def wait_until_nothing_is_left(self, seconds=60.0):
        deadline = time.monotonic() + seconds
        while self.left() and time.monotonic() < deadline:
            time.sleep(0.2)
        assert self.left() == []


def _command(pid):
    try:
        return Path(f"/proc/{pid}/cmdline").read_bytes().replace(b"\0", b" ").decode(errors="replace")
    except OSError:
        return ""
