"""A head without CPUs and two workers, an MLflow server on PostgreSQL, a folder that all of them see."""

import os
import subprocess
import sys
from pathlib import Path

import pytest

from profl_ray.launch.head import base_environment

from .hosts import make_hosts
from .services import MlflowServer, Postgres, wait_until

ROOT = Path(__file__).parents[2]
TOKEN = os.environ.get("RAY_AUTH_TOKEN", "5" * 64)


def pytest_collection_modifyitems(items):
    here = Path(__file__).parent
    for item in items:
        if here in item.path.parents:
            item.add_marker(pytest.mark.cluster)
            item.add_marker(pytest.mark.filterwarnings("ignore"))


class Cluster:
    """What a person sets up by hand, by the commands of clusters/local/README.md."""

    def __init__(self, folder):
        self.storage = folder / "shared"
        self.storage.mkdir()
        self.logs = folder / "logs"
        self.logs.mkdir()
        self.children, self.services = [], []
        self.hosts = make_hosts(folder)
        try:
            self._start(folder)
        except BaseException:
            self.close()
            raise

    def _start(self, folder):
        self.services.append(Postgres())
        self.services.append(
            MlflowServer(self.services[0].uri, folder / "artifacts", self.hosts.outside, self.logs / "mlflow")
        )
        self.tracking_uri = self.services[1].uri
        self.hosts.add("head")
        head = self.hosts.address("head")
        self.address = f"http://{head}:8265"
        self._run(
            "head", [ROOT / "clusters/local/head.sh", head, "--dashboard-host", head, "--num-cpus", "0"]
        )
        self._wait_for("head")
        for name in ("worker-1", "worker-2"):
            self.join(name)

    def environment(self):
        """Of the nodes and of the person who submits."""
        own = {"RAY_AUTH_MODE": "token", "RAY_AUTH_TOKEN": TOKEN, "RAY_worker_niceness": "0"}
        own["PATH"] = f"{Path(sys.executable).parent}:{os.environ['PATH']}"
        own["RAY_GRACEFUL_SHUTDOWN_DRAIN_TIMEOUT_S"] = "0"
        drop = ("RAY_ENABLE_WINDOWS_OR_OSX_CLUSTER", "MLFLOW_TRACKING_URI")
        return {key: value for key, value in base_environment().items() if key not in drop} | own

    def join(self, name, cpus=2):
        """Start a worker on a host of its own and wait until it has joined."""
        self.hosts.add(name)
        command = ["ray", "start", "--address", f"{self.hosts.address('head')}:6379", "--num-cpus", str(cpus)]
        command += ["--node-ip-address", self.hosts.address(name), "--block", "--disable-usage-stats"]
        self._run(
            name, [*command, "--min-worker-port", "0", "--max-worker-port", "0", *self.hosts.ports(name)]
        )
        self._wait_for(name)

    def lose(self, name):
        """Cut a host's power."""
        self.hosts.kill(name)

    def _run(self, name, command):
        with (self.logs / name).open("wb") as log:
            self.children.append(
                subprocess.Popen(
                    [*self.hosts.command(name), *command],
                    env=self.environment(),
                    cwd="/tmp",
                    stdin=subprocess.DEVNULL,
                    stdout=log,
                    stderr=subprocess.STDOUT,
                    start_new_session=True,
                )
            )

    def _wait_for(self, name):
        log = self.logs / name
        wait_until(lambda: "Ray runtime started" in log.read_text(errors="replace"), 90, f"node {name}")

    def close(self):
        self.hosts.close()
        for child in self.children:
            child.wait(timeout=30)
        for service in reversed(self.services):
            service.close()


@pytest.fixture(scope="module")
def cluster(tmp_path_factory):
    made = Cluster(tmp_path_factory.mktemp("cluster"))
    yield made
    made.close()
