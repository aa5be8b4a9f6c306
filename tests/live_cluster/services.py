"""PostgreSQL and MLflow's server, as child processes on a folder of their own."""

import os
import shutil
import signal
import subprocess
import sys
import tempfile
import time
from pathlib import Path
from urllib.error import URLError
from urllib.request import urlopen

import pytest

from profl_ray.launch.ports import free_ports

_NEEDED = ("initdb", "postgres", "pg_isready")


def _programs():
    """Folder of PostgreSQL's programs, which Debian keeps off the path."""
    found = [Path(path).resolve().parent for name in _NEEDED if (path := shutil.which(name))]
    for folder in (*sorted(Path("/usr/lib/postgresql").glob("*/bin"), reverse=True), *found):
        if all((folder / name).is_file() for name in _NEEDED):
            return folder
    pytest.fail("PostgreSQL is not installed (Debian and Ubuntu: apt install postgresql)")


class Postgres:
    """A database server on loopback; PostgreSQL refuses to run as root, so root runs it as `postgres`."""

    def __init__(self):
        self.folder = Path(tempfile.mkdtemp(prefix="profl-pg-"))
        (self.port,) = free_ports(1)
        self.uri = f"postgresql+psycopg2://mlflow@127.0.0.1:{self.port}/postgres"
        self._as = []
        if os.geteuid() == 0:
            shutil.chown(self.folder, "postgres")
            self._as = ["runuser", "-u", "postgres", "--"]
        data, programs = self.folder / "data", _programs()
        self._run(programs / "initdb", "-D", data, "-U", "mlflow", "--auth", "trust", "--no-sync")
        self.process = subprocess.Popen(
            [
                *self._as,
                programs / "postgres",
                "-D",
                data,
                "-p",
                str(self.port),
                "-k",
                self.folder,
                "-h",
                "127.0.0.1",
            ],
            stdout=subprocess.DEVNULL,
            stderr=(self.folder / "log").open("wb"),
            start_new_session=True,
        )
        try:
            wait_until(lambda: self._ready(programs), 30, "PostgreSQL")
        except BaseException:
            self.close()
            raise

    def _run(self, *words):
        subprocess.run([*self._as, *words], check=True, capture_output=True, cwd=self.folder)

    def _ready(self, programs):
        asked = [programs / "pg_isready", "-h", "127.0.0.1", "-p", str(self.port)]
        return subprocess.run(asked, capture_output=True, check=False).returncode == 0

    def close(self):
        os.killpg(self.process.pid, signal.SIGINT)  # Fast shutdown.
        self.process.wait(timeout=30)
        shutil.rmtree(self.folder, ignore_errors=True)


class MlflowServer:
    """MLflow over the database; it serves the artifacts, too."""

    def __init__(self, backend, artifacts, host, log):
        (port,) = free_ports(1)
        self.uri = f"http://{host}:{port}"
        command = [Path(sys.executable).parent / "mlflow", "server", "--host", host, "--port", str(port)]
        command += ["--backend-store-uri", backend, "--artifacts-destination", artifacts.as_uri()]
        command += ["--workers", "1", "--allowed-hosts", f"{host}:{port}"]
        quiet = {"MLFLOW_SERVER_ENABLE_JOB_EXECUTION": "false", "MLFLOW_DISABLE_TELEMETRY": "true"}
        self.process = subprocess.Popen(
            command,
            env=os.environ | quiet,
            stdout=log.open("wb"),
            stderr=subprocess.STDOUT,
            start_new_session=True,
        )
        try:
            wait_until(self._answers, 120, f"the MLflow server ({log})")
        except BaseException:
            self.close()
            raise

    def _answers(self):
        try:
            with urlopen(f"{self.uri}/health", timeout=2) as answer:
                return answer.status == 200
        except (URLError, OSError):
            return False

    def close(self):
        os.killpg(self.process.pid, signal.SIGKILL)
        self.process.wait()


def wait_until(condition, seconds, what):
    """Wait until the condition holds; fail with `what` was waited for."""
    deadline = time.monotonic() + seconds
    while not condition():
        assert time.monotonic() < deadline, f"{what} is not there after {seconds} s"
        time.sleep(0.3)
