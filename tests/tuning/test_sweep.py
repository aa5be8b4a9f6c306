"""Whole sweeps on a local Ray, read back from MLflow and held against runs in one process."""

import json
import shutil
import signal
from dataclasses import replace
from functools import cache

import numpy as np
import pytest
from mlflow_kit import history, read_run

from profl_ray.errors import UserError
from profl_ray.run.driver import Driver, RunIdentity
from profl_ray.server.run_folder import RunFolder
from profl_ray.tracking import KIND_TAG, read_sweep
from profl_ray.tuning import Choice, Range, SweepRequest, resume_sweep, run_sweep
from profl_ray.tuning.request import base_config
from profl_ray.tuning.sweep import _begin_parent
from profl_ray.tuning.sweep_folder import keep_sweep

from .kit import config, settings_of, silent, space

pytestmark = pytest.mark.ray

PARTITIONS = ([2, 2], [1, 3])
AFFORDABLE, UNAFFORDABLE = [2, 2], [4]
"""One block is full training."""
QUOTAS = ("federation.quotas.low_fraction=0.95", "federation.quotas.high_fraction=0.99")


@pytest.fixture(scope="module")
def grid(local_ray, root):
    """A 2x2 grid of which no device can afford one half."""
    parameters = {"freezing.rounds": Choice.of(1, 2), "model.partition": Choice.of(AFFORDABLE, UNAFFORDABLE)}
    request = SweepRequest(space(root, parameters, *QUOTAS), max_concurrent=1, command="profl-ray sweep")
    lines = []
    outcome = run_sweep(request, lines.append)
    return request, outcome, read_sweep(outcome.uri, "profl-ray", outcome.parent_run_id), lines


@cache
def in_one_process(root, rounds, partition):
    trial = config(root, *QUOTAS, f"freezing.rounds={rounds}", f"model.partition={list(partition)}")
    driver = Driver(
        trial, RunIdentity(root / "references" / f"{rounds}-{len(partition)}-{partition[0]}", "run")
    )
    return driver.run(), driver


def reference(root, settings):
    """Summary and driver of the same run in this process, without Tune and without Ray."""
    return in_one_process(root, settings["freezing.rounds"], tuple(settings["model.partition"]))


def test_the_sweep_is_a_parent_run_with_a_child_for_every_combination(grid):
    request, outcome, sweep, _ = grid
    assert (outcome.num_trials, outcome.num_failed) == (4, 0)
    assert (sweep.name, sweep.status) == (outcome.name, "FINISHED")
    assert sweep.tags[KIND_TAG] == "sweep" and sweep.description == "a short sweep"
    assert sweep.tags["profl_ray.space"] == "short" and sweep.tags["profl_ray.command"] == "profl-ray sweep"
    assert sweep.params["federation.num_devices"] == "6"
    combinations = sorted(map(str, request.space.grid()))
    assert sorted(str(settings_of(trial)) for trial in sweep.trials) == combinations
    for trial in sweep.trials:
        settings = settings_of(trial)
        assert trial.tags["mlflow.parentRunId"] == outcome.parent_run_id
        assert trial.tags[KIND_TAG] == "trial" and trial.status == "FINISHED"
        assert trial.name.startswith(f"rounds={settings['freezing.rounds']} partition=[")


def trained(sweep):
    return [trial for trial in sweep.trials if settings_of(trial)["model.partition"] != UNAFFORDABLE]


def test_a_trial_has_its_own_parameters_and_one_point_a_round(grid):
    _, _, sweep, _ = grid
    assert len(trained(sweep)) == 2
    for trial in trained(sweep):
        settings = settings_of(trial)
        assert trial.params["freezing.rounds"] == str(settings["freezing.rounds"])
        assert json.loads(trial.params["model.partition"]) == settings["model.partition"]
        rounds = int(trial.summary["rounds"])
        # Two blocks: shrink 2, map 2 (one round), grow 1, grow 2.
        assert rounds == 3 * settings["freezing.rounds"] + 1
        points = history(sweep.uri, trial.run_id)
        for name in ("need_mib", "measured_peak_mib", "cohort_size", "uplink_bytes_total", "seconds"):
            assert [point for point, _ in points[name]] == list(range(1, rounds + 1)), name
        assert [record.round for record in trial.records] == list(range(1, rounds + 1))
        assert len(trial.quotas_mib) == 6
        assert trial.outcome == "finished"


def test_every_trial_equals_the_same_run_in_one_process(grid, root):
    _, _, sweep, _ = grid
    for trial in trained(sweep):
        expected = reference(root, settings_of(trial))[0]
        assert trial.tags["profl_ray.weights_sha256"] == expected["weights_sha256"], trial.name
        assert trial.summary["final_accuracy"] == expected["final_accuracy"]
        assert trial.summary["peak_need_mib"] == expected["peak_need_mib"]


def test_the_parent_and_the_outcome_name_the_best_settings(grid):
    _, outcome, sweep, _ = grid
    best = max(trained(sweep), key=lambda trial: trial.summary["final_accuracy"])
    assert outcome.best_settings == settings_of(best)
    assert outcome.best_accuracy == best.summary["final_accuracy"]
    parent = read_run(outcome.uri, outcome.parent_run_id).summary
    assert parent == {"final_accuracy": outcome.best_accuracy, "num_trials": 4, "num_failed": 0}
    named = {key: json.loads(value) for key, value in sweep.tags.items() if key.startswith("best.")}
    assert named == {f"best.{key}": value for key, value in outcome.best_settings.items()}


def test_a_setting_that_no_device_can_afford_is_not_applicable_and_says_why(grid):
    _, _, sweep, lines = grid
    refused = [trial for trial in sweep.trials if trial not in trained(sweep)]
    assert len(refused) == 2
    for trial in refused:
        settings = settings_of(trial)
        assert trial.params["freezing.rounds"] == str(settings["freezing.rounds"])
        assert trial.params["model.partition"] == "[4]"
        assert trial.outcome == "n/a" and trial.records == [] and "need_mib" not in trial.summary
        assert trial.reason.startswith("no device can train step") and "MiB" in trial.reason
        assert any(line.strip().startswith("n/a") and trial.reason in line for line in lines)
    assert sum(line.strip().startswith("done") for line in lines) == 2


def test_a_sweep_of_which_nothing_can_be_trained_is_a_users_mistake(local_ray, root):
    parameters = {"model.partition": Choice.of(UNAFFORDABLE)}
    with pytest.raises(UserError, match="no device can train step"):
        run_sweep(SweepRequest(space(root, parameters, *QUOTAS)), silent)


def test_a_mistake_that_all_trials_share_leaves_nothing(local_ray, tmp_path, root):
    store = f"tracking.uri=sqlite:///{root}/mlflow.db"
    parameters = {"freezing.rounds": Choice.of(1, 2)}
    for override, message in (
        ("data.examples_per_device=100000", "at most"),
        ("fleet.cpus_per_actor=5", "a run needs 5 CPU"),
    ):
        request = SweepRequest(space(tmp_path, parameters, store), overrides=(override,))
        with pytest.raises(UserError, match=message):
            run_sweep(request, silent)
    assert not list(tmp_path.glob("short-*"))


def test_a_grid_is_checked_before_anything_starts(root):
    made = space(root, {"freezing.rounds": Choice.of(1, 0)})
    with pytest.raises(UserError, match=r"freezing\.rounds=0"):
        base_config(SweepRequest(made))


def lose(folder):
    """Empty, spoil or remove each file that Tune left."""
    for number, path in enumerate(sorted(path for path in folder.rglob("*") if path.is_file())):
        if number % 3 == 2:
            path.unlink()
        else:
            path.write_bytes(b"" if number % 3 else b"\x80\x05{not a state")


def test_an_interrupted_sweep_resumes_without_tunes_state_and_repeats_nothing(local_ray, root):
    parameters = {"freezing.rounds": Choice.of(1, 9, 2), "model.partition": Choice.of([2, 2])}
    request = SweepRequest(space(root, parameters, *QUOTAS), max_concurrent=2)
    lines = []

    def interrupt(text):
        lines.append(text)
        if text.strip().startswith("done"):
            signal.raise_signal(signal.SIGINT)

    handler = signal.getsignal(signal.SIGINT)
    with pytest.raises(KeyboardInterrupt):
        run_sweep(request, interrupt)
    assert signal.getsignal(signal.SIGINT) is handler
    name = lines[-1].rpartition(" ")[2]
    assert lines[-1] == f"interrupted; resume with --resume {name}"
    uri = f"sqlite:///{root}/mlflow.db"
    stopped = read_sweep(uri, "profl-ray", name)
    assert stopped.status == "KILLED"
    done = {trial.run_id: trial for trial in stopped.trials if trial.outcome == "finished"}
    assert done and len(done) < 3
    records = {
        path: path.read_text()
        for path in root.glob(f"{name}/trials/*/records.jsonl")
        if json.loads((path.parent / "run.json").read_text())["mlflow_run_id"] in done
    }
    assert len(records) == len(done)

    lose(root / name / "tune")
    told = []
    outcome = resume_sweep(request, name, told.append)
    assert sum(line.strip().startswith("done") for line in told) == 3 - len(done), (
        "told to the one who resumes"
    )
    assert (outcome.name, outcome.num_trials, outcome.num_failed) == (name, 3, 0)
    assert outcome.parent_run_id == stopped.run_id
    sweep = read_sweep(uri, "profl-ray", outcome.parent_run_id)
    assert sweep.status == "FINISHED"
    assert sorted(str(settings_of(t)) for t in sweep.trials) == sorted(map(str, request.space.grid()))
    for trial in sweep.trials:
        assert trial.outcome == "finished"
        expected = reference(root, settings_of(trial))[0]
        assert trial.tags["profl_ray.weights_sha256"] == expected["weights_sha256"], trial.name
    # The rounds' seconds would differ if one had been trained once more.
    assert {path: path.read_text() for path in records} == records
    again = {trial.run_id: trial for trial in sweep.trials}
    assert all(again[run_id].records == trial.records for run_id, trial in done.items())


WAYS = {
    "good": {},
    "pair": {"freezing.min_rounds": 12, "freezing.max_rounds": 8},
    "partition": {"model.partition": [3, 3]},
    "absent": {"data.name": "cifar10", "data.root": "/nowhere"},
    "in the way": {"seed": 3},
}


def test_a_sweep_that_was_killed_before_its_first_trial_begins_and_no_trial_is_missing(local_ray, root):
    """Among its trials are some that cannot be set up: n/a, failed with a reason, failed unexpectedly."""
    made = space(root, {"way": Choice(tuple(WAYS))}, bundles={"way": WAYS})
    request = SweepRequest(made, max_concurrent=1, command="x")
    config = base_config(request)
    name = "short-killed"
    tracked = _begin_parent(request, config, name)
    folder = root / name
    keep_sweep(folder, request.resolved(), config, tracked, [{"way": way} for way in WAYS])
    (folder / "trials").mkdir()
    (folder / "trials" / "00004").touch()

    said = []
    outcome = resume_sweep(request, name, said.append)
    assert (outcome.num_trials, outcome.num_failed) == (5, 2)
    assert outcome.best_settings == {"way": "good"}
    sweep = read_sweep(outcome.uri, "profl-ray", outcome.parent_run_id)
    trials = {settings_of(trial)["way"]: trial for trial in with_text(sweep.trials)}
    outcomes = {way: trial.outcome for way, trial in trials.items()}
    failed = {"absent": "failed", "in the way": "failed"}
    assert outcomes == {"good": "finished", "pair": "n/a", "partition": "n/a"} | failed
    assert len(sweep.trials) == 5 and sweep.status == "FAILED"
    reasons = {way: trial.reason for way, trial in trials.items()}
    assert reasons["good"] == ""
    assert "min_rounds=12 is above max_rounds=8" in reasons["pair"]
    assert "does not add up" in reasons["partition"]
    assert "not found, looked in /nowhere" in reasons["absent"]
    assert "DirectoryError" in reasons["in the way"] and "00004" in reasons["in the way"]
    for way, trial in trials.items():
        (line,) = [
            line for line in said if line.strip().startswith(("done", "n/a", "FAILED")) and way in line
        ]
        assert trial.reason in line
    assert sum("lost" in line for line in said) == 3, "none but the unexpected is tried again"

    # What failed because of the place is tried again, and nothing else.
    (folder / "trials" / "00004").unlink()
    said.clear()
    again = resume_sweep(request, name, said.append)
    assert (again.num_trials, again.num_failed) == (5, 1)
    ended = [
        line.split("=")[1].partition(":")[0]
        for line in said
        if line.strip().startswith(("done", "n/a", "FAILED"))
    ]
    assert sorted(ended) == ["absent", "in the way"]
    sweep = read_sweep(outcome.uri, "profl-ray", outcome.parent_run_id)
    assert sorted(trial.outcome for trial in sweep.trials) == ["failed", "finished", "finished", "n/a", "n/a"]


def with_text(trials):
    """Settings of MLflow are text as it is; this makes JSON of it."""
    return [
        replace(trial, params={key: json.dumps(value) for key, value in trial.params.items()})
        for trial in trials
    ]


def test_a_sweep_that_was_killed_after_its_last_trial_ends_with_what_it_has(grid, monkeypatch):
    request, outcome, sweep, _ = grid
    shutil.rmtree(outcome.folder / "tune")
    monkeypatch.setattr(
        "profl_ray.tuning.tuner.make_tuner", lambda *_: pytest.fail("nothing is left to play")
    )
    assert resume_sweep(request, outcome.name, silent) == outcome
    again = read_sweep(outcome.uri, "profl-ray", outcome.parent_run_id)
    assert again.status == "FINISHED" and again.trials == sweep.trials


def test_a_sweep_whose_tune_ends_early_is_not_finished(grid, monkeypatch, tmp_path):
    request, outcome, _, _ = grid
    notes = outcome.folder / "trials.jsonl"
    kept = notes.read_text()
    notes.write_text("".join(kept.splitlines(keepends=True)[:2]))
    monkeypatch.setattr("profl_ray.tuning.tuner.make_tuner", lambda *_: None)
    monkeypatch.setattr("profl_ray.tuning.sweep.fit", lambda *_: None)
    try:
        with pytest.raises(UserError, match=r"Tune ended before 2 of 4 trials had; resume with .*--resume"):
            resume_sweep(request, outcome.name, silent)
        assert read_sweep(outcome.uri, "profl-ray", outcome.parent_run_id).status == "FAILED"
    finally:
        notes.write_text(kept)


def test_a_sweep_that_cannot_be_resumed_is_told(local_ray, root, grid):
    request, outcome, _, _ = grid
    with pytest.raises(UserError, match="--resume nothing: there is no such sweep in"):
        resume_sweep(request, "nothing", silent)
    other = SweepRequest(space(root, {"seed": Choice.of(1)}))
    object.__setattr__(other.space, "name", "other")
    with pytest.raises(UserError, match="that sweep is of the space 'short'"):
        resume_sweep(other, outcome.name, silent)


@pytest.mark.parametrize("search", ["random", "optuna"])
def test_a_search_draws_as_many_samples_as_asked_for(local_ray, root, search):
    parameters = {
        "training.learning_rate": Range(0.01, 0.2, log=True),
        "model.partition": Choice.of(*PARTITIONS),
    }
    made = space(root, parameters, "freezing.rounds=1", num_samples=7)
    outcome = run_sweep(SweepRequest(made, search=search, num_samples=2, max_concurrent=1), silent)
    assert (outcome.num_trials, outcome.num_failed) == (2, 0)
    sweep = read_sweep(outcome.uri, "profl-ray", outcome.parent_run_id)
    drawn = [settings_of(trial) for trial in sweep.trials]
    assert len(drawn) == 2 and all(trial.outcome == "finished" for trial in sweep.trials)
    rates = {settings["training.learning_rate"] for settings in drawn}
    assert len(rates) == 2 and all(0.01 <= rate <= 0.2 for rate in rates)
    assert all(settings["model.partition"] in PARTITIONS for settings in drawn)
    for trial in sweep.trials:
        assert float(trial.params["training.learning_rate"]) == settings_of(trial)["training.learning_rate"]
    assert outcome.best_settings in drawn


def test_client_actors_inside_a_trial_and_no_tracking(local_ray, root):
    fleet = ("fleet.backend=ray", "fleet.num_actors=2", "tracking.enabled=false")
    outcome = run_sweep(SweepRequest(space(root, {"freezing.rounds": Choice.of(1)}, *QUOTAS, *fleet)), silent)
    assert outcome.uri is None and outcome.parent_run_id is None
    assert outcome.best_settings == {"freezing.rounds": 1}
    expected, driver = reference(root, {"freezing.rounds": 1, "model.partition": [2, 2]})
    assert outcome.best_accuracy == expected["final_accuracy"]
    (run,) = (outcome.folder / "trials").iterdir()
    saved = RunFolder(run).latest()
    assert without_seconds(saved.records) == without_seconds(driver.records)
    for name, array in driver.server.snapshot().tensors.items():
        assert np.array_equal(saved.snapshot.tensors[name], array), name


def without_seconds(records):
    return [replace(record, seconds=0.0) for record in records]


def test_a_trial_that_learns_nothing_fails_once_and_the_others_continue(local_ray, root):
    parameters = {"training.learning_rate": Choice.of(0.05, 1e30)}
    said = []
    outcome = run_sweep(SweepRequest(space(root, parameters), max_concurrent=2, command="x"), said.append)
    assert (outcome.num_trials, outcome.num_failed) == (2, 1)
    assert outcome.best_settings == {"training.learning_rate": 0.05}
    sweep = read_sweep(outcome.uri, "profl-ray", outcome.parent_run_id)
    assert sweep.status == "FAILED" and len(sweep.trials) == 2
    (failed,) = [trial for trial in sweep.trials if trial.outcome == "failed"]
    assert "no device's update was merged" in failed.reason
    assert sum("FAILED" in line and "no device's update was merged" in line for line in said) == 1
    assert not any("resumes from its last round" in line for line in said)
