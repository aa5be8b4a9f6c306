"""A short ProFL run on digits, for every fleet."""

import os
import time
from dataclasses import replace
from pathlib import Path

from profl_ray.config import load_experiment
from profl_ray.server.checkpoint import weights_sha256
from profl_ray.server.rounds import Server

SHORT = (
    "federation.num_devices=6",
    "federation.cohort_size=5",
    "data.examples_per_device=40",
    "training.local_epochs=1",
    "evaluation.batch_size=90",
    "freezing.name=fixed_rounds",
    "freezing.rounds=2",
    "freezing.min_rounds=1",
    "strategy.profl.map_rounds=1",
    "fleet.cohort_groups=3",
    "fleet.cpus_per_actor=0.1",
    "tracking.enabled=false",
)
NUM_ROUNDS = 7


def short_config(root, *overrides):
    return load_experiment("digits_tiny", [*SHORT, f"storage.root={root}", *overrides])


def without_seconds(records):
    return [replace(record, seconds=0.0) for record in records]


def play(experiment, fleet, before_round=lambda number: None, prepare=lambda server: None):
    """Play a whole run; return the digest of its weights and of what devices keep, and its records."""
    server, records = Server(experiment, fleet), []
    prepare(server)
    while not server.finished:
        before_round(len(records) + 1)
        records.append(server.play_round())
    state = server.strategy.complete_weights() | server.shelf.tensors()
    return weights_sha256(state), without_seconds(records)


def is_running(pid):
    try:
        return Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0] != "Z"
    except OSError:
        return False


def eventually(condition, seconds=30.0):
    deadline = time.monotonic() + seconds
    while not condition():
        assert time.monotonic() < deadline, "not in time"
        time.sleep(0.05)


def kill(pid):
    assert pid != os.getpid()
    os.kill(pid, 9)
