"""What docs/adding-a-strategy.md promises beyond the contract suite, which runs its strategies, too."""

import json
import os
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
from plugins.conftest import as_a_process_of_its_own  # noqa: F401  a fixture

from profl_ray.tracking.client import open_client

from .play import case_experiment, play, tiny_experiment, trace
from .worked_example import codes

ROOT = Path(__file__).parents[2]


def test_both_are_short() -> None:
    assert all(len(code.splitlines()) < 65 for code in codes())


def test_devices_train_the_longest_suffix_that_they_can_afford() -> None:
    run = trace("suffix")
    tasks = [task for _, task in case_experiment("suffix").make_strategy().schedule()]
    needs = [run.experiment.estimate(task).mib for task in tasks]
    assert needs == sorted(needs, reverse=True) and len(set(needs)) > 1
    assert {index for moment in run.moments for index in moment.sums} == {0, 2}


@pytest.fixture
def outside(tmp_path, monkeypatch):
    """Return a folder with the example from outside, and its test."""
    _, strategy, test = codes()
    (tmp_path / "top_changes.py").write_text(strategy)
    (tmp_path / "test_top_changes.py").write_text(test)
    monkeypatch.chdir(tmp_path)
    return tmp_path


@pytest.mark.e2e
def test_the_contract_suite_of_the_page_passes_outside(outside):
    done = subprocess.run(
        [sys.executable, "-m", "pytest", "-q", "test_top_changes.py"],
        env={**os.environ, "PYTHONPATH": str(ROOT)},
        capture_output=True,
        text=True,
        timeout=240,
        check=False,
    )
    assert done.returncode == 0 and "20 passed" in done.stdout, done.stdout + done.stderr


def test_devices_keep_what_they_did_not_send(outside):
    settings = ("strategy.name=./top_changes.py:TopChanges", "strategy.top_changes.share=0.5")
    run = play(tiny_experiment(*settings))
    size = run.moments[0].plan.states[0].task.moving.size
    trained = {device for record in run.records for device in record.trained}
    kept = run.server.shelf.tensors()
    assert set(kept) == {f"device/{device}/unsent" for device in trained}
    for record in run.records:
        lowest, mean, highest = (record.figures[f"unsent_norm{end}"] for end in ("_lowest", "", "_highest"))
        assert 0 < lowest <= mean <= highest
    assert all(np.count_nonzero(unsent) <= size - round(size * 0.5) for unsent in kept.values())
    whole = play(tiny_experiment(settings[0], "strategy.top_changes.share=1.0"))
    assert not any(unsent.any() for unsent in whole.server.shelf.tensors().values())


def test_its_figure_is_a_metric_in_mlflow(outside):
    command = [
        "run",
        "digits_tiny",
        "strategy.name=./top_changes.py:TopChanges",
        "strategy.rounds=2",
        "--json",
    ]
    done = subprocess.run(
        [sys.executable, "-m", "profl_ray", *command],
        env={**os.environ, "PYTHONPATH": str(ROOT)},
        capture_output=True,
        text=True,
        timeout=240,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    client = open_client(f"sqlite:///{outside}/runs/mlflow.db")
    run_id = json.loads(done.stdout.splitlines()[-1])["mlflow_run_id"]
    assert [point.step for point in client.get_metric_history(run_id, "unsent_norm")] == [1, 2]
    params = client.get_run(run_id).data.params
    assert params["strategy.top_changes.share"] == "0.25"
    assert [file.path for file in client.list_artifacts(run_id, "plugins")]
