"""A run long enough to be hit in its middle, its undisturbed twin, and what MLflow must hold of it."""

import json
import os
import signal
import time
from functools import cache

from profl_ray.config import load_experiment
from profl_ray.run.driver import Driver, RunIdentity
from profl_ray.server.record import RoundRecord
from profl_ray.tracking import Totals
from profl_ray.tracking.client import open_client
from profl_ray.tracking.points import round_points

BUSY = (
    "federation.num_devices=12",
    "federation.cohort_size=8",
    "data.examples_per_device=100",
    "training.local_epochs=2",
    "freezing.name=fixed_rounds",
    "freezing.rounds=6",
    "freezing.min_rounds=1",
    "strategy.profl.map_rounds=2",
    "fleet.cpus_per_actor=0.1",
)
"""Twenty rounds of some tenths of a second."""


def busy_config(root, *overrides):
    return load_experiment("digits_tiny", [*BUSY, f"storage.root={root}", *overrides]).with_absolute_paths()


@cache
def undisturbed(root, *overrides):
    """Digest and records of the same run in this process, undisturbed."""
    config = busy_config(root, "tracking.enabled=false", *overrides)
    driver = Driver(config, RunIdentity(root / f"undisturbed-{abs(hash(overrides))}", "undisturbed"))
    summary = driver.run()
    return summary["weights_sha256"], comparable(driver.records)


def comparable(records):
    """Records without what depends on the clock."""
    return [record.to_json() | {"seconds": 0.0} for record in records]


def read_records(folder):
    lines = (folder / "records.jsonl").read_text().splitlines()
    return [RoundRecord.from_json(json.loads(line)) for line in lines]


def points_lost(uri, run_id, records, waited_after=()):
    """Return how many points MLflow lacks; fails if it holds one twice or another value.

    `waited_after`: rounds after which the run was closed, with a summary, and opened again.
    """
    expected, totals = {}, Totals()
    for record in records:
        totals = totals.plus(record)
        points = round_points(record, totals)
        # A round that was played again took another time.
        expected |= {(name, record.round): value for name, value in points.items() if name != "seconds"}
    client, found = open_client(uri), []
    for name in {name for name, _ in expected}:
        found += [((name, point.step), point.value) for point in client.get_metric_history(run_id, name)]
    # A summary repeats some names at the last round, with the same value.
    summaries = {records[-1].round, *waited_after}
    inner = [key for key, _ in found if key[1] not in summaries]
    assert len(inner) == len(set(inner)), "a point is there twice"
    wrong = {key: value for key, value in found if key in expected and expected[key] != value}
    assert not wrong, wrong
    return len(expected.keys() - {key for key, _ in found})


def wait_for(condition, seconds=60.0, pause=0.02):
    """Wait until `condition` returns something true, and return it."""
    deadline = time.monotonic() + seconds
    while not (value := condition()):
        assert time.monotonic() < deadline, "not in time"
        time.sleep(pause)
    return value


def send(pid, number=signal.SIGKILL):
    assert pid != os.getpid()
    os.kill(pid, number)
