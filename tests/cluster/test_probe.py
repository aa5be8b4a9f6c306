"""Questions to nodes: one that hides its storage, one that is frozen, one that has none of our code."""

import json
import os
import signal
import subprocess
import sys
import tempfile
import time
from contextlib import contextmanager

import pytest

from profl_ray.cluster.probe import ask_cluster, ask_every_node
from profl_ray.config import load_experiment
from profl_ray.doctor import examine, probe
from profl_ray.errors import NoRay

# Clusters of their own, one of them with a frozen node, and addresses that lead to none.
pytestmark = [pytest.mark.ray, pytest.mark.usefixtures("no_ray")]


@contextmanager
def cluster(monkeypatch, *folders):
    """A head and a node started in each of the folders; yields the nodes.

    Its address goes into a temporary folder of its own: Ray notes the newest cluster of a machine in a file
    that every other one reads.
    """
    import ray
    from ray.cluster_utils import Cluster

    # Ray's sockets need a short path.
    with tempfile.TemporaryDirectory(prefix="ray", dir="/tmp", ignore_cleanup_errors=True) as folder:
        monkeypatch.setenv("RAY_TMPDIR", folder)
        made = Cluster(initialize_head=True, head_node_args={"num_cpus": 1, "include_dashboard": False})
        here = os.getcwd()  # noqa: PTH109
        try:
            nodes = []
            for place in folders:
                os.chdir(place)
                nodes.append(made.add_node(num_cpus=1))
            os.chdir(here)
            monkeypatch.setenv("RAY_ADDRESS", made.address)
            ray.init(address=made.address, log_to_driver=False, logging_level="ERROR")
            yield nodes
        finally:
            os.chdir(here)
            ray.shutdown()
            made.shutdown()


def name_of(order):
    return order["name"]


def refuse(order):
    raise ValueError("not today")


def of(checkup, check):
    return [finding for finding in checkup.findings if finding.check == check]


def test_a_cluster_is_examined_and_a_hidden_storage_is_named(tmp_path, monkeypatch):
    good, other = tmp_path / "good", tmp_path / "other"
    good.mkdir()
    other.mkdir()
    monkeypatch.chdir(good)
    with cluster(monkeypatch, good, other):
        settings = ["tracking.enabled=false", "fleet.backend=ray", "fleet.num_actors=2"]
        shared = examine(load_experiment("digits_tiny", [*settings, f"storage.root={good}/runs"]))
        assert [finding for finding in shared.findings if finding.level == "fail"] == []
        assert len(shared.nodes) == 3
        assert "one folder for all 3 nodes" in of(shared, "storage")[0].what
        assert "on 3 nodes" in of(shared, "versions")[0].what
        # A path that leads each node to the folder that it was started in.
        hidden = examine(load_experiment("digits_tiny", [*settings, "storage.root=/proc/self/cwd/runs"]))
        (finding,) = of(hidden, "storage")
        assert finding.level == "fail" and "is not there on" in finding.what
        assert sum(name in finding.what for name in hidden.nodes) == 1
        assert [f for f in hidden.findings if f.level == "fail"] == [finding]
    assert list(good.iterdir()) == [] and list(other.iterdir()) == []


def test_a_frozen_node_and_one_that_refuses_are_named(tmp_path, monkeypatch):
    with cluster(monkeypatch, tmp_path) as (node,):
        import ray

        refusing = ask_every_node(sys.modules[__name__], refuse, {}, 60.0)
        assert [answer.silence for answer in refusing] == ["ValueError: not today"] * 2
        (frozen,) = [n["NodeID"] for n in ray.nodes() if n["RayletSocketName"] == node.raylet_socket_name]
        raylets = [info.process.pid for info in node.all_processes["raylet"]]
        for pid in raylets:
            os.kill(pid, signal.SIGSTOP)
        try:
            started = time.monotonic()
            answers = ask_every_node(sys.modules[__name__], name_of, {}, 12.0)
            waited = time.monotonic() - started
        finally:
            for pid in raylets:
                os.kill(pid, signal.SIGCONT)
        silent = [answer for answer in answers if answer.silence]
        assert [frozen[:6] in answer.name for answer in silent] == [True], answers
        assert len(answers) == 2 and waited < 60, "it hung"


def test_a_question_travels_by_value(tmp_path):
    """A node without our code, or with an older version of it, answers all the same."""
    from ray import cloudpickle

    cloudpickle.register_pickle_by_value(probe)
    try:
        question = cloudpickle.dumps(probe.look)
    finally:
        cloudpickle.unregister_pickle_by_value(probe)
    (tmp_path / "question").write_bytes(question)
    (tmp_path / "profl_ray").mkdir()
    (tmp_path / "profl_ray" / "__init__.py").write_text("__version__ = '0.0.1'\n")
    order = {
        "name": "old",
        "data": {"name": "digits"},
        "accelerator": "cpu",
        "storage": None,
        "health_url": None,
    }
    code = (
        "import json, pickle, pathlib, sys\n"
        # An editable install finds its modules for any package of the name.
        "sys.meta_path = [finder for finder in sys.meta_path if 'ditable' not in repr(finder)]\n"
        f"look = pickle.loads(pathlib.Path('question').read_bytes())\nprint(json.dumps(look({order})))"
    )
    environment = {key: value for key, value in os.environ.items() if key != "PYTHONPATH"}
    result = subprocess.run(
        [sys.executable, "-c", code],
        cwd=tmp_path,
        env=environment,
        capture_output=True,
        text=True,
        timeout=120,
        check=False,
    )
    assert result.returncode == 0, result.stderr
    report = json.loads(result.stdout.splitlines()[-1])
    assert report["versions"]["Python"] and report["memory"]["total_mib"] > 0
    assert "No module named 'profl_ray.provenance'" in report["code"]["error"]
    assert "profl_ray.config" in report["data"]["error"]


def test_a_cluster_that_is_away_is_told_at_once(monkeypatch):
    monkeypatch.setenv("RAY_ADDRESS", "127.0.0.1:9")
    with pytest.raises(NoRay, match=r"RAY_ADDRESS=127\.0\.0\.1:9 cannot be reached") as caught:
        ask_cluster(probe, probe.look, {}, 5.0)
    assert "RAY_ADDRESS=HEAD:6379" in caught.value.fix


def test_a_job_servers_address_is_no_cluster(monkeypatch):
    monkeypatch.setenv("RAY_ADDRESS", "http://127.0.0.1:8265")
    with pytest.raises(NoRay, match="is a job server's address"):
        ask_cluster(probe, probe.look, {}, 5.0)
