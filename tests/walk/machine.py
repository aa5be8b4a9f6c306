"""A machine of its own for a walk: network, processes, /tmp, /mnt, /srv and host names; all gone at its end.

So commands stand as they are on the pages, with their ports and paths, beside whatever else runs here.
"""

import os
import shutil
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable
from functools import cache
from pathlib import Path

from profl_ray.launch.processes import running

from .pages import ROOT

HOME = "/tmp/home"
HOSTS = "127.0.0.1 localhost head mlflow\n"
"""Names of other machines that the pages speak of: here all are this one. (Capitals or not is the same.)"""
SHELL_MARK = "--norc"
"""By this the shells of terminals are known among the processes."""

_LEFT_OUT: tuple[str, ...] = (".git", ".venv", "runs", "__pycache__", "*.egg-info", "build", "dist")
_LEFT_OUT += (".pytest_cache", ".mypy_cache", ".ruff_cache", ".hypothesis")
_APART = ["--net", "--mount", "--pid"]


class Machine:
    """Context manager; `place` is where the fresh copy of the project lies in it."""

    def __enter__(self) -> "Machine":
        self.place = installed_place()
        self._folder = Path(tempfile.mkdtemp(prefix="walk-"))
        for name in ("tmp/home", "mnt", "srv"):
            (self._folder / name).mkdir(parents=True)
        (self._folder / "hosts").write_text(HOSTS)
        shutil.copytree(ROOT, self._folder / "tree", ignore=shutil.ignore_patterns(*_LEFT_OUT))
        (self._folder / "tree/.venv").mkdir()
        script = [str(ROOT / "tests/walk/machine.sh"), str(self._folder), str(self.place), sys.prefix]
        command = ["unshare", *_user(), *_APART, "--fork", "--kill-child", "--mount-proc", *script]
        self._child = subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True)
        assert self._child.stdout is not None
        first = self._child.stdout.readline()
        if first != "up\n":
            raise AssertionError(f"the machine did not start: {first}{self._child.communicate()[0]}")
        self._space = _link(f"/proc/{self._child.pid}/ns/pid_for_children")
        [self._first] = [process.pid for process in running() if process.parent == self._child.pid]
        self._own = self._processes()
        return self

    def __exit__(self, *_: object) -> None:
        self._child.kill()  # and with it, all
        self._child.wait()
        assert self._child.stdout is not None
        self._child.stdout.close()
        _wait_until(lambda: not self._processes(), 10.0)
        shutil.rmtree(self._folder)

    def inside(self, command: list[str]) -> list[str]:
        """Return the command line that runs `command` on the machine."""
        entered = ["--user", "--preserve-credentials"] if _user() else []
        return ["nsenter", "--target", str(self._first), *entered, *_APART, *command]

    def left(self, seconds: float = 20.0) -> list[str]:
        """Wait until nothing but shells runs any more; return the command lines of what still does."""
        _wait_until(lambda: not self._started(), seconds)
        return self._started()

    def _started(self) -> list[str]:
        commands = [_command_of(pid) for pid in sorted(self._processes() - self._own)]
        return [command for command in commands if command and SHELL_MARK not in command]

    def _processes(self) -> set[int]:
        return {process.pid for process in running() if _link(f"/proc/{process.pid}/ns/pid") == self._space}


@cache
def missing() -> str:
    """Return why no machine can be made here; empty if one can."""
    if sys.platform != "linux" or not shutil.which("nsenter") or not shutil.which("ip"):
        return "needs Linux with unshare, nsenter (util-linux) and ip (iproute2)"
    made = subprocess.run(["unshare", *_user(), *_APART, "--fork", "true"], capture_output=True, check=False)
    return made.stderr.decode().strip()


@cache
def installed_place() -> Path:
    """Return the folder of the project that scripts of this environment import from."""
    asked = [sys.executable, "-I", "-c", "import profl_ray; print(profl_ray.__file__)"]
    said = subprocess.run(asked, cwd="/", capture_output=True, text=True, check=True).stdout
    place = Path(said.strip()).parents[1]
    assert (place / "pyproject.toml").is_file(), (
        f"{place}: a walk needs an editable install (pip install -e .)"
    )
    return place


def _user() -> list[str]:
    return [] if os.geteuid() == 0 else ["--user", "--map-root-user"]


def _link(path: str) -> str:
    try:
        return str(Path(path).readlink())
    except OSError:  # another user's, or gone
        return ""


def _command_of(pid: int) -> str:
    try:
        return Path(f"/proc/{pid}/cmdline").read_bytes().replace(b"\0", b" ").decode(errors="replace")
    except OSError:
        return ""


def _wait_until(true: Callable[[], bool], seconds: float) -> None:
    deadline = time.monotonic() + seconds
    while not true() and time.monotonic() < deadline:
        time.sleep(0.1)
