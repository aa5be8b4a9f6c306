"""Sweeps whose trials are killed, and whose Ray head is."""

import json
import os
import re
import subprocess
import time

import pytest

from profl_ray.config.load import from_yaml
from profl_ray.launch.head import head_command
from profl_ray.launch.ports import free_ports
from profl_ray.run.driver import Driver, RunIdentity
from profl_ray.tracking import read_sweep

from .kit import comparable, points_lost, read_records, send, wait_for

pytestmark = pytest.mark.faults
TINY = (
    "federation.num_devices=20",
    "freezing.max_rounds=6",
    "freezing.min_rounds=5",
    "freezing.max_shrink_rounds=5",
    "strategy.profl.map_rounds=1",
    "training.local_epochs=3",
    "fleet.backend=in_process",
)
FEW = ("--search", "random", "--num-samples", "2", "--json")


def listen(process, wanted):
    for line in process.stdout:
        if wanted(line):
            return line
    raise AssertionError(f"it ended: {process.stderr.read()}")


def check(line, outcome, runs):
    """Compare every trial with the same run in this process, and with what MLflow holds of it."""
    assert (outcome["num_trials"], outcome["num_failed"]) == (2, 0)
    uri = f"sqlite:///{runs}/mlflow.db"
    sweep = read_sweep(uri, "profl-ray", outcome["sweep"])
    assert [trial.outcome for trial in sweep.trials] == ["finished"] * 2
    equal, lost = [], 0
    for folder in sorted((runs / outcome["sweep"] / "trials").iterdir()):
        config = from_yaml((folder / "config.yaml").read_text(), source=str(folder))
        tracking = config.tracking.model_copy(update={"enabled": False})
        driver = Driver(
            config.model_copy(update={"tracking": tracking}),
            RunIdentity(folder.parents[1] / "alone" / folder.name, "alone"),
        )
        driver.run()
        records = read_records(folder)
        equal.append(comparable(records) == comparable(driver.records))
        run_id = json.loads((folder / "run.json").read_text())["mlflow_run_id"]
        digest = next(t for t in sweep.trials if t.run_id == run_id).tags["profl_ray.weights_sha256"]
        equal.append(digest == driver.summary()["weights_sha256"])
        lost += points_lost(uri, run_id, records)
    line.survived = line.injected
    line.weights_equal, line.points_lost = all(equal), lost
    assert line.weights_equal and line.points_lost == 0


def test_a_trial_that_is_killed_resumes_by_itself(program, runs, fault):
    line = fault("kill -9 of a sweep's trial")
    process = program.start("sweep", "freezing", *FEW, "--max-concurrent", "1", *TINY, f"storage.root={runs}")
    for _ in range(2):
        listen(process, lambda text: re.search(r"round +\d+ ", text))
        (pid,) = wait_for(lambda: program.pids("ray::ProFLTrial"))[:1]
        send(pid)
        line.injected += 1
    out, err = process.communicate(timeout=240)
    assert process.returncode == 0, out + err
    check(line, json.loads(out.splitlines()[-1]), runs)
    program.wait_until_nothing_is_left()


class Head:
    """A Ray head of its own, as an operator starts it, on ports of its own."""

    def __init__(self, program):
        self.program = program
        self.command = head_command(free_ports(9), program.temporary, num_cpus=2)
        self.port = self.command[self.command.index("--port") + 1]
        self.environment = {"RAY_AUTH_MODE": "token", "RAY_AUTH_TOKEN": "0" * 64, "RAY_worker_niceness": "0"}
        self.process = None

    @property
    def job_environment(self):
        return self.environment | {"RAY_ADDRESS": f"127.0.0.1:{self.port}"}

    def start(self):
        self.process = subprocess.Popen(
            self.command,
            env=self.program.environment | self.environment,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
        )
        heard = []
        for line in self.process.stdout:
            heard.append(line)
            if "Ray runtime started" in line:
                return
        raise AssertionError("".join(heard))

    def kill(self):
        """Kill everything of it at once, as when its machine is switched off."""
        for word in ("gcs_server", "raylet", "ray::", "ray/dashboard"):
            for pid in self.program.pids(word):
                if pid != os.getpid():
                    send(pid)
        send(self.process.pid)
        self.process.communicate()


def test_a_sweep_resumes_after_its_head_was_killed(program, runs, fault):
    line = fault("kill -9 of the Ray head, with all its workers")
    head = Head(program)
    head.start()
    options = ("sweep", "freezing", *FEW, *TINY, f"storage.root={runs}")
    process = program.start(*options, **head.job_environment)
    name = listen(process, lambda text: text.startswith("sweep ")).split()[1].rstrip(":")
    wait_for(lambda: len(list((runs / name).glob("trials/*/records.jsonl"))) == 2, seconds=90)
    time.sleep(3.0)
    head.kill()
    line.injected += 1
    send(process.pid)  # It would wait for its cluster for a while; its machine is gone too.
    process.communicate()
    program.end()
    head.start()
    result = program.run(*options, "--resume", name, timeout=300, **head.job_environment)
    assert result.code == 0, result.out + result.err
    check(line, json.loads(result.last), runs)
    head.kill()
