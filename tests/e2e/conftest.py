import os
import signal
import subprocess
import sys
import tempfile
import time
from pathlib import Path
from typing import NamedTuple

import pytest

from profl_ray.launch import processes

ROOT = Path(__file__).parents[2]
MARK = "PROFL_RAY_TEST"


def pytest_collection_modifyitems(items):
    here = Path(__file__).parent
    for item in items:
        if here in item.path.parents:
            item.add_marker(pytest.mark.e2e)


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

    def start(self, *arguments):
        return subprocess.Popen(
            [sys.executable, "-m", "profl_ray", *map(str, arguments)],
            cwd=self.temporary,
            env=self.environment,
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
            # In a background job of a shell SIGINT is ignored, and children would inherit that.
            preexec_fn=lambda: signal.signal(signal.SIGINT, signal.SIG_DFL),
        )

    def run(self, *arguments, timeout=120):
        process = self.start(*arguments)
        try:
            out, err = process.communicate(timeout=timeout)
        except subprocess.TimeoutExpired:
            process.kill()
            out, err = process.communicate()
            pytest.fail(f"not done after {timeout} s: {out[-2000:]} {err[-2000:]}")
        return Finished(process.returncode, out, err)

    def left(self):
        """Command lines of what runs and was started by our programs."""
        return [
            _command(process.pid)
            for process in processes.running()
            if processes._environment_has(process.pid, f"{MARK}={self.mark}")
            or str(self.temporary) in _command(process.pid)
        ]

    def wait_until_nothing_is_left(self, seconds=20.0):
        deadline = time.monotonic() + seconds
        while self.left() and time.monotonic() < deadline:
            time.sleep(0.2)
        assert self.left() == []


def _command(pid):
    try:
        return Path(f"/proc/{pid}/cmdline").read_bytes().replace(b"\0", b" ").decode(errors="replace")
    except OSError:
        return ""


@pytest.fixture
def program(tmp_path):
    """A program with a temporary folder of its own; whatever it leaves running is ended after the test."""
    # Ray's sockets need a short path.
    with tempfile.TemporaryDirectory(prefix="e2e", dir="/tmp", ignore_cleanup_errors=True) as temporary:
        made = Program(str(tmp_path), Path(temporary))
        yield made
        for process in processes.running():
            if processes._environment_has(process.pid, f"{MARK}={made.mark}"):
                os.kill(process.pid, 9)


@pytest.fixture(scope="session")
def runs(tmp_path_factory):
    """One storage root for all: needs are estimated once, MLflow's tables are made once."""
    return tmp_path_factory.mktemp("runs")
