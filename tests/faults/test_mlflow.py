"""An MLflow server that goes away while a run trains: nothing waits for it, and no point is lost."""

import json
import os
import signal
import subprocess
import sys
import time
from contextlib import contextmanager
from pathlib import Path
from threading import Timer
from urllib.error import URLError
from urllib.request import urlopen

import pytest

from profl_ray.launch.ports import free_ports
from profl_ray.run.driver import Driver, RunIdentity
from profl_ray.tracking import read_sweep
from profl_ray.tuning import Choice, SearchSpace, SweepRequest, resume_sweep, run_sweep

from .kit import BUSY, busy_config, comparable, points_lost, read_records, undisturbed, wait_for


class Server:
    """An MLflow server over the runs' SQLite file; its HTTP port stays the same."""

    def __init__(self, runs):
        (self.port,) = free_ports(1)
        self.uri = f"http://127.0.0.1:{self.port}"
        mlflow = Path(sys.executable).parent / "mlflow"
        self.command = [mlflow, "server", "--backend-store-uri", f"sqlite:///{runs}/mlflow.db"]
        self.command += ["--artifacts-destination", (runs / "mlartifacts").as_uri(), "--serve-artifacts"]
        self.command += ["--host", "127.0.0.1", "--port", str(self.port), "--workers", "1"]
        self.process = None

    def start(self):
        environment = {"MLFLOW_SERVER_ENABLE_JOB_EXECUTION": "false", "MLFLOW_DISABLE_TELEMETRY": "true"}
        self.process = subprocess.Popen(
            self.command,
            env=os.environ | environment,
            stdout=subprocess.DEVNULL,
            stderr=subprocess.DEVNULL,
            start_new_session=True,
        )
        wait_for(self._answers, seconds=90, pause=0.2)

    def kill(self):
        """Kill it with its workers, all at once."""
        if self.process is not None:
            os.killpg(self.process.pid, signal.SIGKILL)
            self.process.wait()
            self.process = None

    def _answers(self):
        try:
            with urlopen(f"{self.uri}/health", timeout=2) as answer:
                return answer.status == 200
        except (URLError, OSError):
            return False


@pytest.fixture
def server(runs, monkeypatch):
    # Quick to give up, so that the test is; the default is some seconds.
    monkeypatch.setenv("MLFLOW_HTTP_REQUEST_MAX_RETRIES", "0")
    made = Server(runs)
    made.start()
    yield made
    made.kill()


@contextmanager
def driver_of(server, runs, tmp_path):
    config = busy_config(runs, f"tracking.uri={server.uri}")
    driver = Driver(config, RunIdentity(tmp_path / "run", "run", server.uri))
    yield driver


def test_points_wait_until_the_server_is_back(server, runs, tmp_path, fault):
    line = fault("kill -9 of the MLflow server; back some rounds later")
    digest, records = undisturbed(runs)

    def disturb(record):
        if record.round in (4, 13):
            server.kill()
            line.injected += 1
        if record.round in (9, 18):
            server.start()

    with driver_of(server, runs, tmp_path) as driver:
        summary = driver.run(disturb)
    line.survived = line.injected
    line.weights_equal = summary["weights_sha256"] == digest and comparable(driver.records) == records
    line.points_lost = points_lost(server.uri, summary["mlflow_run_id"], driver.records)
    assert line.weights_equal and line.points_lost == 0 and summary["notices"] == []


@pytest.mark.faults
def test_a_sweep_outlives_its_server(local_ray, server, tmp_path, fault):
    line = fault("kill -9 of the MLflow server under a halving sweep: twice for 10 s, then to the end")
    rates = {"training.learning_rate": Choice.of(0.1, 0.01)}
    overrides = (*BUSY, f"storage.root={tmp_path}", f"tracking.uri={server.uri}", "fleet.backend=in_process")
    space = SearchSpace("rates", "two rates", "digits_tiny", rates, overrides=overrides)
    request = SweepRequest(space, scheduler="halving", max_concurrent=1)
    told, back = [], []

    def disturb(text):
        told.append(text)
        num_begun = sum(path.stat().st_size > 0 for path in tmp_path.glob("*/trials/*/records.jsonl"))
        if line.injected < min(num_begun, 2) and server.process is not None:
            # While each trial trains: it comes to its rung, waits, and continues or not.
            line.injected += 1
            server.kill()
            back.append(Timer(10.0, server.start))
            back[-1].start()
        if text.strip().startswith("done") and line.injected == 2:
            back[-1].join()
            line.injected += 1
            server.kill()

    outcome = run_sweep(request, disturb)
    assert (outcome.num_trials, outcome.num_failed, line.injected) == (2, 0, 3), told
    assert any("stays open there, --resume" in text for text in told)
    server.start()
    again = resume_sweep(request, outcome.name, told.append)
    assert (again.best_settings, again.best_accuracy) == (outcome.best_settings, outcome.best_accuracy)
    sweep = read_sweep(server.uri, "profl-ray", outcome.name)
    assert sweep.status == "FINISHED"
    line.points_lost = 0
    for folder in (tmp_path / outcome.name / "trials").iterdir():
        run_id = json.loads((folder / "run.json").read_text())["mlflow_run_id"]
        records = read_records(folder)
        rungs = [record.round for record in records if record.step_ended and record.stage == "grow"]
        line.points_lost += points_lost(server.uri, run_id, records, rungs)
    best = max(sweep.trials, key=lambda trial: trial.outcome == "finished")
    rate = json.loads(best.settings["training.learning_rate"])
    digest, _ = undisturbed(tmp_path, f"training.learning_rate={rate}")
    line.survived, line.weights_equal = 3, best.tags["profl_ray.weights_sha256"] == digest
    assert line.weights_equal and line.points_lost == 0


@pytest.mark.faults
def test_what_a_server_missed_to_the_end_is_delivered_on_resume(server, runs, tmp_path, fault):
    line = fault("kill -9 of the MLflow server; away to the end, then --resume")
    digest, _ = undisturbed(runs)
    with driver_of(server, runs, tmp_path) as driver:

        def disturb(record):
            if record.round == 5:
                server.kill()
                line.injected += 1

        started = time.monotonic()
        summary = driver.run(disturb)
        assert time.monotonic() - started < 120, "it does not wait"
    assert summary["weights_sha256"] == digest
    (notice,) = summary["notices"]
    assert "could not be delivered to MLflow" in notice and "--resume run" in notice
    server.start()
    assert points_lost(server.uri, summary["mlflow_run_id"], driver.records) > 0
    with driver_of(server, runs, tmp_path) as again:
        summary = again.run(lambda record: pytest.fail("it was over"))
    line.survived += 1
    line.weights_equal = summary["weights_sha256"] == digest
    line.points_lost = points_lost(server.uri, summary["mlflow_run_id"], again.records)
    assert line.weights_equal and line.points_lost == 0 and summary["notices"] == []
