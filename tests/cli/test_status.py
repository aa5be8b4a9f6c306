"""What `profl-ray status` prints of a sweep and of a cluster."""

import json

import pytest

from profl_ray.cli.status import _span, lines, resource_lines, usage
from profl_ray.tracking import SweepProgress, TrialProgress

NODES = [
    {"node_id": "a", "address": "10.0.0.1", "is_head": True, "resources": {}},
    {"node_id": "b", "address": "10.0.0.2", "is_head": False, "resources": {"CPU": 4.0, "GPU": 1.0}},
]
ACTORS = [
    {"node_id": "b", "class_name": "ProFLTrial", "resources": {"CPU": 1.0}},
    {"node_id": "b", "class_name": "ClientActor", "resources": {"CPU": 1.0, "GPU": 0.5}},
    {"node_id": "gone", "class_name": "ClientActor", "resources": {"CPU": 9.0}},
]


def test_trials_are_counted_by_state_and_listed():
    trials = [
        TrialProgress("phi=1", "finished", 12, "grow 2", 0.91234, 1.5, 70.0),
        TrialProgress("phi=2", "running", 3, "train", None, 2.0, 1.0),
        TrialProgress("phi=3", "running", 0, "", None, None, None),
        TrialProgress("phi=4", "n/a", 0, "", None, None, None, reason="no device can train it"),
    ]
    first, heading, *rows = lines(SweepProgress("freezing-1", "running", trials))
    assert first == "freezing-1: running; trials: 1 finished, 2 running, 1 n/a"
    assert heading.split() == ["trial", "state", "step", "rounds", "accuracy", "need", "MiB", "last", "round"]
    assert rows[0].split() == ["phi=1", "finished", "grow", "2", "12", "0.9123", "1.50", "1", "min", "ago"]
    assert rows[1].split() == ["phi=2", "running", "train", "3", "-", "2.00", "1", "s", "ago"]
    assert rows[2].split() == ["phi=3", "running", "-", "0", "-", "-", "-"]
    assert rows[4:] == ["phi=4: n/a: no device can train it"]


def test_a_sweep_without_trials_says_so():
    assert lines(SweepProgress("x", "running", [])) == ["x: running; trials: no trial has begun yet"]


@pytest.mark.parametrize(
    ("seconds", "words"), [(-1, "0 s"), (59.9, "59 s"), (60, "1 min"), (3599, "59 min"), (7322, "2 h 2 min")]
)
def test_spans(seconds, words):
    assert _span(seconds) == words


def test_a_clusters_reservations_are_summed_by_node():
    told = usage(NODES, ACTORS, ["job-1"])
    assert told["nodes"][1]["cpus"] == {"total": 4.0, "reserved": 2.0}
    assert resource_lines(told) == [
        "cluster: 2 nodes; running jobs: job-1",
        "  10.0.0.1 (head): 0 of 0 CPUs reserved by 0 actors",
        "  10.0.0.2: 2 of 4 CPUs, 0.5 of 1 GPUs reserved by 2 actors",
    ]


def test_the_newest_run_is_shown(profl_ray, tmp_path):
    short = ("freezing.name=fixed_rounds", "freezing.rounds=1", "freezing.min_rounds=1")
    storage = f"storage.root={tmp_path}/runs"
    assert profl_ray("run", "digits_tiny", *short, "strategy.profl.map_rounds=1", storage).code == 0
    shown = profl_ray("status", storage)
    assert shown.code == 0 and ": finished; trials: 1 finished" in shown.out
    told = json.loads(profl_ray("status", storage, "--json").out)
    (trial,) = told["trials"]
    assert trial["state"] == "finished" and trial["step"] == "grow 2" and trial["rounds"] == 4
    assert 0 < trial["accuracy"] <= 1 and trial["silent_seconds"] >= 0
    assert profl_ray("status", "nothing", storage).code == 2
