"""Signals at any moment, and output that is gone, as a user meets them."""

import json
import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest

from profl_ray.tracking.client import open_client

pytestmark = pytest.mark.filterwarnings("ignore:The ``noload`` loader:DeprecationWarning")
SHORT = (
    "federation.num_devices=6",
    "federation.cohort_size=5",
    "data.examples_per_device=40",
    "training.local_epochs=1",
    "evaluation.batch_size=90",
)
ONE = ("--search", "random", "--num-samples", "1", "fleet.backend=in_process", "strategy.profl.map_rounds=1")
LONG = (
    *SHORT,
    "freezing.name=fixed_rounds",
    "freezing.rounds=5000",
    "freezing.max_rounds=5000",
    "fleet.cpus_per_actor=0.1",
)


def statuses(root):
    """The states of all runs of a store that may not be there yet, by their kind."""
    if not (root / "mlflow.db").exists():
        return {}
    client, found = open_client(f"sqlite:///{root}/mlflow.db"), {}
    for experiment in client.search_experiments():
        for run in client.search_runs([experiment.experiment_id]):
            found.setdefault(run.data.tags["profl_ray.kind"], set()).add(run.info.status)
    return found


def read_until(stream, words):
    for line in stream:
        if words in line:
            return
    raise AssertionError(f"{words!r} was never said")


def test_a_sweep_that_is_ended_while_it_is_set_up_ends_in_order(program, tmp_path):
    process = program.start("sweep", "freezing", f"storage.root={tmp_path}")
    read_until(process.stdout, "6 trials")
    process.send_signal(signal.SIGTERM)
    out, err = process.communicate(timeout=240)
    assert process.returncode == 130, out + err
    assert out.startswith("interrupted") and len(out.splitlines()) == 1 and err == ""
    assert statuses(tmp_path) == {"sweep": {"KILLED"}}
    program.wait_until_nothing_is_left()


def test_a_signal_for_the_whole_group_leaves_ray_to_us(program, tmp_path):
    """As timeout(1) and a closing terminal send it."""
    process = program.start(
        "sweep", "freezing", *ONE, *LONG, f"storage.root={tmp_path}", start_new_session=True
    )
    read_until(process.stdout, "round ")
    os.killpg(process.pid, signal.SIGHUP)
    out, err = process.communicate(timeout=240)
    assert process.returncode == 130, out + err
    assert "interrupted; resume with" in out and "lost" not in out and err == ""
    assert statuses(tmp_path) == {"sweep": {"KILLED"}, "trial": {"KILLED"}}
    program.wait_until_nothing_is_left()


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGHUP])
def test_a_run_that_is_ended_while_it_is_set_up_ends_in_order(program, tmp_path, number):
    process = program.start("run", "digits_tiny", *LONG, f"storage.root={tmp_path}")
    deadline = time.monotonic() + 240
    while not list(tmp_path.glob("*/run.lock")):
        assert time.monotonic() < deadline and process.poll() is None
        time.sleep(0.01)
    process.send_signal(number)
    out, err = process.communicate(timeout=240)
    assert (process.returncode, out) == (130, "") and "Traceback" not in err
    # It comes before the run is entered, after it, or after it has begun to train.
    assert statuses(tmp_path) in ({}, {"run": {"KILLED"}})


def test_a_run_that_is_ended_while_ray_starts_leaves_nothing(program, tmp_path):
    process = program.start("run", "digits_tiny", *LONG, "fleet.backend=ray", f"storage.root={tmp_path}")
    deadline = time.monotonic() + 240
    while not program.pids("gcs_server"):
        assert time.monotonic() < deadline and process.poll() is None
        time.sleep(0.01)
    process.send_signal(signal.SIGTERM)
    out, err = process.communicate(timeout=240)
    assert (process.returncode, out, err) == (130, "", "interrupted\n")
    program.wait_until_nothing_is_left()


def test_ctrl_c_that_ends_tee_too_stops_a_run_in_order(program, tmp_path):
    process = program.start("run", "digits_tiny", "--json", *LONG, f"storage.root={tmp_path}")
    read_until(process.stderr, "round    2")
    process.stderr.close()  # As tee's end does.
    process.send_signal(signal.SIGINT)
    out = process.stdout.read()
    process.stdout.close()
    assert process.wait(timeout=240) == 130
    summary = json.loads(out)
    assert not summary["finished"] and summary["rounds"] >= 2
    assert statuses(tmp_path) == {"run": {"KILLED"}}
    assert list((tmp_path / summary["run_id"] / "checkpoints").iterdir())


def test_a_sweep_continues_when_its_reader_has_left(program, tmp_path):
    settings = ("freezing.max_rounds=2", "freezing.min_rounds=1", "freezing.max_shrink_rounds=1")
    process = program.start("sweep", "freezing", *ONE, *SHORT, *settings, f"storage.root={tmp_path}")
    read_until(process.stdout, "1 trials")
    process.stdout.close()  # As head does.
    err = process.stderr.read()
    process.stderr.close()
    assert (process.wait(timeout=240), err) == (0, "")
    assert statuses(tmp_path) == {"sweep": {"FINISHED"}, "trial": {"FINISHED"}}
    assert list(tmp_path.glob("*/report.html"))
    program.wait_until_nothing_is_left()


@pytest.mark.skipif(not Path("/dev/full").exists(), reason="no /dev/full")
def test_a_table_that_the_disk_does_not_take_is_an_error_and_one_without_a_reader_is_none(program, runs):
    command = f"{sys.executable} -m profl_ray memory --model cnn --input 1x8x8 storage.root={runs}"
    environment = {"env": program.environment, "cwd": program.temporary, "capture_output": True, "text": True}
    full = subprocess.run(["bash", "-c", f"{command} > /dev/full"], **environment)
    said = "error: cannot write to standard output: No space left on device\n"
    assert (full.returncode, full.stderr) == (1, said)
    head = subprocess.run(["bash", "-c", f"set -o pipefail; {command} | true"], **environment)
    assert (head.returncode, head.stderr) == (0, "")
