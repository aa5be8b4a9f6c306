"""A Ray head of our own: started as our child, reachable from this machine only, gone when we are done."""

import os
import secrets
import sys
import time
from importlib.util import find_spec
from pathlib import Path
from types import TracebackType
from typing import Self

from profl_ray.cluster.environment import (
    ELSEWHERE,
    LOOPBACK_DEFAULTS,
    RAY_DEFAULTS,
    keep_loopback_off_proxies,
)
from profl_ray.cluster.temporary import short_temporary
from profl_ray.errors import UserError
from profl_ray.launch import processes
from profl_ray.launch.guard import Guard
from profl_ray.launch.jobs import Jobs
from profl_ray.launch.ports import free_ports, require_free
from profl_ray.launch.scratch import Scratch
from profl_ray.signals import uninterrupted

LOOPBACK = "127.0.0.1"
_PORT_FLAGS = (
    "--dashboard-port",
    "--port",
    "--object-manager-port",
    "--node-manager-port",
    "--dashboard-agent-listen-port",
    "--dashboard-agent-grpc-port",
    "--runtime-env-agent-port",
    "--ray-client-server-port",
    "--metrics-export-port",
)
_FOREIGN = (*ELSEWHERE, "RAY_JOB_HEADERS", "RAY_AUTH_TOKEN_PATH", "RAY_NAMESPACE", "RAY_REDIS_ADDRESS")
"""Variables of the user's shell that would lead us to another cluster."""
_PATIENCE_SECONDS = 5.0
"""How long a job's follower waits for a head that does not answer any more: it is on this machine."""
_MODULES = {"ray": "ray.scripts.scripts", "mlflow": "mlflow"}


def program(name: str) -> list[str]:
    """Return how the command line of Ray or MLflow begins: by this Python, wherever their scripts lie.

    Raises UserError if this Python does not have it.
    """
    if find_spec(name) is None:
        raise UserError(f"{sys.executable} has no {name}: install the project there (pip install -e .)")
    # -P: a folder `ray` or `mlflow` where the user stands is not the package.
    return [sys.executable, "-P", "-m", _MODULES[name]]


def base_environment() -> dict[str, str]:
    """Return our environment without other clusters, and with the loopback kept off HTTP proxies."""
    environment = {key: value for key, value in os.environ.items() if key not in _FOREIGN}
    keep_loopback_off_proxies(environment)
    environment["PYTHONUNBUFFERED"] = "1"
    return environment


def head_command(ports: list[int], folder: Path, num_cpus: int | None) -> list[str]:
    """Return the command line of the head; `ports` in the order of the port flags."""
    command = [*program("ray"), "start", "--head", "--block", "--log-style", "record", "--log-color", "false"]
    command += ["--node-ip-address", LOOPBACK, "--dashboard-host", LOOPBACK, "--include-dashboard", "true"]
    for flag, port in zip(_PORT_FLAGS, ports, strict=True):
        command += [flag, str(port)]
    # 0: the system gives each worker a port; Ray's own fixed range is shared by all heads of a machine.
    command += ["--min-worker-port", "0", "--max-worker-port", "0"]
    command += ["--temp-dir", str(folder), "--disable-usage-stats"]
    return command if num_cpus is None else [*command, "--num-cpus", str(num_cpus)]


class LocalHead:
    """Context manager: inside it a Ray head answers at `address`; after it nothing of it is left.

    On kill -9 of us a guard process does the clean-up a few seconds later.
    """

    def __init__(
        self,
        num_cpus: int | None = None,
        dashboard_port: int | None = None,
        timeout_seconds: float = 60.0,
        token: str | None = None,
    ) -> None:
        if num_cpus is not None and num_cpus < 1:
            raise UserError(f"num_cpus: {num_cpus} is too few (allowed: 1 or more)")
        ports = free_ports(len(_PORT_FLAGS))
        if dashboard_port is not None:
            ports[0] = require_free(dashboard_port, "dashboard_port")
        self._ports = ports
        self._num_cpus = num_cpus
        self._timeout_seconds = timeout_seconds
        self._token = token or secrets.token_hex(32)
        self.address = f"http://{LOOPBACK}:{ports[0]}"

    def __enter__(self) -> Self:
        self._scratch = Scratch()
        self._log = self._scratch.path / "head.log"
        try:
            command = head_command(self._ports, self._scratch.path / "ray", self._num_cpus)
            self._guard = Guard(str(self._scratch.path), self._scratch.path)
            with self._log.open("wb") as log:
                self._child = processes.start(command, self._environment(), str(self._scratch.path), log)
            self._guard.watch(self._child.pid)
            self._wait_until_up()
        except BaseException:  # Ctrl-C too: a head that is half up must go as well
            self._stop()
            raise
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._stop()

    @property
    def pid(self) -> int:
        """The head's process; its session has the same number."""
        return self._child.pid

    def client_environment(self) -> dict[str, str]:
        """Return the environment of a command that talks to this head."""
        return {**base_environment(), "RAY_AUTH_MODE": "token", "RAY_AUTH_TOKEN": self._token}

    def _environment(self) -> dict[str, str]:
        environment = self.client_environment()
        short_temporary(environment, str(self._scratch.path))
        return {
            **environment,
            **RAY_DEFAULTS,
            **LOOPBACK_DEFAULTS,
            # Otherwise SIGTERM waits up to 30 s for running work.
            "RAY_GRACEFUL_SHUTDOWN_DRAIN_TIMEOUT_S": "0",
        }

    def _wait_until_up(self) -> None:
        deadline = time.monotonic() + self._timeout_seconds
        while not self._is_up():
            if self._child.poll() is not None:
                raise UserError(
                    f"the Ray head ended early (exit code {self._child.returncode}): {self._tail()}"
                )
            if time.monotonic() > deadline:
                raise UserError(f"the Ray head is not up after {self._timeout_seconds:.0f} s: {self._tail()}")
            time.sleep(0.2)

    def _is_up(self) -> bool:
        """Whether the job server answers and its node has joined: earlier, a job finds no agent."""
        try:
            self.jobs = Jobs(self.address, self._token, _PATIENCE_SECONDS)
            return bool(self.jobs.nodes())
        except UserError:  # Not yet; if never, the log says why.
            return False

    def _tail(self, lines: int = 5) -> str:
        """Return the end of the head's log in one line."""
        text = [line.strip() for line in self._log.read_text(errors="replace").splitlines() if line.strip()]
        return " | ".join(text[-lines:]) or "its log is empty"

    def _stop(self) -> None:
        with uninterrupted():
            if hasattr(self, "_child"):
                processes.end(self._child, str(self._scratch.path))
            if hasattr(self, "_guard"):
                self._guard.dismiss()
            self._scratch.remove()
