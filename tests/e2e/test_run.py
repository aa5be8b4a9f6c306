"""`profl-ray run` as a user runs it."""

import json
import signal
from functools import cache

import pytest

from profl_ray.config import load_experiment
from profl_ray.run.driver import Driver, RunIdentity

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
)
ON_RAY = ("tracking.enabled=false", "fleet.backend=ray")


@cache
def digest(runs, *overrides):
    """Digest of the weights of an uninterrupted run by a driver in this process."""
    config = load_experiment("digits_tiny", [*SHORT, f"storage.root={runs}", *overrides])
    return Driver(config, RunIdentity(runs / f"reference-{len(overrides)}", "reference")).run()[
        "weights_sha256"
    ]


def run(program, runs, *overrides):
    result = program.run("run", "digits_tiny", "--json", *SHORT, f"storage.root={runs}", *overrides)
    assert result.code == 0, result.err
    return json.loads(result.last), result


def test_the_last_line_is_the_result(program, runs):
    summary, result = run(program, runs)
    assert {"run_id", "rounds", "final_accuracy", "peak_need_mib", "reduction", "weights_sha256"} <= set(
        summary
    )
    assert summary["finished"] and summary["rounds"] == 7
    assert 0 < summary["reduction"] < 1 and 0 < summary["final_accuracy"] <= 1
    assert len(result.out.splitlines()) == 1, "the rounds are told on standard error"
    assert "Traceback" not in result.err and "Warning" not in result.err
    assert "final accuracy" in result.err
    assert summary["weights_sha256"] == digest(runs)
    program.wait_until_nothing_is_left()


def test_ray_gives_the_same_weights(program, runs):
    """With any number of actors: tests/fleet/test_contract.py."""
    summary, result = run(program, runs, *ON_RAY, "fleet.num_actors=2")
    assert summary["weights_sha256"] == digest(runs)
    assert sum(line.startswith("round ") for line in result.err.splitlines()) == 7
    program.wait_until_nothing_is_left()


@pytest.mark.parametrize("backend", ["in_process", "ray"])
def test_an_interrupted_run_is_saved_and_ends_like_an_uninterrupted_one(program, runs, backend):
    # Long enough for the signal to come in the middle: a round may take a fiftieth of a second.
    num_rounds, rounds = 89, "freezing.rounds=40"
    options = (*SHORT, rounds, "freezing.max_rounds=40", "tracking.enabled=false", f"storage.root={runs}")
    process = program.start("run", "digits_tiny", "--json", *options, f"fleet.backend={backend}")
    heard = []
    for line in process.stderr:
        heard.append(line)
        if line.startswith("round    2"):
            process.send_signal(signal.SIGINT)
            break
    out, err = process.communicate(timeout=240)
    assert process.returncode == 130, "".join(heard) + err
    stopped = json.loads(out.splitlines()[-1])
    assert not stopped["finished"] and 2 <= stopped["rounds"] < num_rounds and "final_accuracy" not in stopped
    assert f"--resume {stopped['run_id']}" in " ".join(err.split())
    program.wait_until_nothing_is_left()

    resumed = program.run(
        "run", "digits_tiny", "--json", "--resume", stopped["run_id"], *options, "tracking.enabled=false"
    )
    assert resumed.code == 0, resumed.err
    summary = json.loads(resumed.last)
    assert summary["run_id"] == stopped["run_id"] and summary["finished"] and summary["rounds"] == num_rounds
    first = next(line for line in resumed.err.splitlines() if line.startswith("round "))
    assert first.startswith(f"round {stopped['rounds'] + 1:4d}")
    assert summary["weights_sha256"] == digest(runs, rounds, "freezing.max_rounds=40")
