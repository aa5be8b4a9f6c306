"""A sweep on several machines, one of which is lost: finished, with the same weights and all points."""

import json
import subprocess
import sys
import time
from pathlib import Path

from faults.kit import comparable, points_lost, read_records

from profl_ray.config.load import from_yaml
from profl_ray.run.driver import Driver, RunIdentity
from profl_ray.tracking import read_progress, read_sweep
from profl_ray.tracking.client import open_client

from .conftest import ROOT
from .services import wait_until

TRIALS = 6
SETTINGS = (
    *("freezing.max_rounds=8", "freezing.min_rounds=5", "freezing.max_shrink_rounds=5"),
    *("strategy.profl.map_rounds=1", "training.local_epochs=3"),
    *("fleet.backend=ray", "fleet.num_actors=2", "fleet.cpus_per_actor=0.5"),
)


def start(cluster, *command, output=subprocess.PIPE):
    return subprocess.Popen(
        command,
        cwd=ROOT,
        env=cluster.environment(),
        stdin=subprocess.DEVNULL,
        stdout=output,
        stderr=subprocess.STDOUT,
        text=True,
    )


def profl_ray(cluster, *arguments, timeout=200):
    process = start(cluster, sys.executable, "-m", "profl_ray", *arguments)
    out, _ = process.communicate(timeout=timeout)
    return process.returncode, out


def test_a_sweep_outlives_a_node_and_uses_a_new_one(cluster):
    storage, tracking = f"storage.root={cluster.storage}", f"tracking.uri={cluster.tracking_uri}"
    sweep = ("sweep", "freezing", "--search", "random", "--num-samples", str(TRIALS), "--json")
    log = cluster.logs / "job"
    job = start(
        cluster,
        *(
            "ray",
            "job",
            "submit",
            "--address",
            cluster.address,
            "--working-dir",
            ".",
            "--entrypoint-num-cpus",
            "0.5",
        ),
        *("--", "python", "-m", "profl_ray", *sweep, storage, tracking, *SETTINGS),
        output=log.open("w"),
    )
    try:
        wait_until(
            lambda: finished(cluster) or job.poll() is not None, 240, f"a first finished trial ({log})"
        )
        busy = busiest_worker(cluster)
        cluster.lose(busy)
        cluster.join("worker-3")
        code, shown = profl_ray(cluster, "status", tracking, "--address", cluster.address)
        assert code == 0 and "running jobs: raysubmit" in shown, shown
        job.wait(timeout=600)
    finally:
        job.kill()
        job.wait()
    out = log.read_text()
    assert job.returncode == 0, out[-3000:]
    outcome = json.loads(next(line for line in reversed(out.splitlines()) if line.startswith("{")))
    assert (outcome["num_trials"], outcome["num_failed"]) == (TRIALS, 0), outcome
    check(cluster, outcome["sweep"])


def finished(cluster):
    if not any(cluster.storage.glob("freezing-*/trials/*/checkpoints/round-*")):
        return False
    trials = read_progress(cluster.tracking_uri, "profl-ray").trials
    return any(trial.state == "finished" for trial in trials) and any(t.state == "running" for t in trials)


def busiest_worker(cluster):
    """The worker without the job's own process, which `ray job submit` does not start again elsewhere."""
    from profl_ray.launch.jobs import Jobs

    jobs = Jobs(cluster.address)
    addresses = {node["node_id"]: node["address"] for node in jobs.nodes()}
    actors = [(addresses.get(actor["node_id"]), actor["class_name"]) for actor in jobs.actors()]
    supervisor = {address for address, name in actors if name == "JobSupervisor"}
    workers = {cluster.hosts.address(name): name for name in ("worker-1", "worker-2")}
    free = [name for address, name in workers.items() if address not in supervisor]
    assert free, actors
    return max(free, key=lambda name: sum(address == cluster.hosts.address(name) for address, _ in actors))


def check(cluster, name):
    """Every trial is what it is on one machine, and MLflow has all of it."""
    sweep = read_sweep(cluster.tracking_uri, "profl-ray", name)
    assert sweep.status == "FINISHED" and len(sweep.trials) == TRIALS
    assert {trial.outcome for trial in sweep.trials} == {"finished"}
    client = open_client(cluster.tracking_uri)
    folders = sorted((cluster.storage / name / "trials").iterdir())
    assert len(folders) == TRIALS
    for folder in folders:
        config = from_yaml((folder / "config.yaml").read_text(), source=str(folder))
        alone = config.model_copy(
            update={
                "tracking": config.tracking.model_copy(update={"enabled": False}),
                "fleet": config.fleet.model_copy(update={"backend": "in_process"}),
            }
        )
        driver = Driver(alone, RunIdentity(Path(f"{folder}-alone"), "alone"))
        summary, records = driver.run(), read_records(folder)
        assert comparable(records) == comparable(driver.records)
        run_id = json.loads((folder / "run.json").read_text())["mlflow_run_id"]
        trial = next(trial for trial in sweep.trials if trial.run_id == run_id)
        assert trial.tags["profl_ray.weights_sha256"] == summary["weights_sha256"]
        assert points_lost(cluster.tracking_uri, run_id, records) == 0
        assert {"config.yaml", "federation"} <= {entry.path for entry in client.list_artifacts(run_id)}


def test_submit_sends_a_command_and_exits_as_it_does(cluster):
    began = time.monotonic()
    where = ("submit", "--address", cluster.address)
    settings = (f"storage.root={cluster.storage}", f"tracking.uri={cluster.tracking_uri}")
    short = (
        "freezing.name=fixed_rounds",
        "freezing.rounds=1",
        "freezing.min_rounds=1",
        "strategy.profl.map_rounds=1",
    )
    code, out = profl_ray(cluster, *where, "run", "digits_tiny", *settings, *short, "fleet.backend=ray")
    assert code == 0, out
    assert "final accuracy" in out and "succeeded, exit code 0" in out and "Traceback" not in out
    code, out = profl_ray(cluster, *where, "run", "digits_tiny", *settings, "model.name=resnet19")
    assert code == 2, out
    assert "unknown model 'resnet19'; did you mean 'resnet18'?" in out and "failed, exit code 2" in out
    assert time.monotonic() - began < 400
