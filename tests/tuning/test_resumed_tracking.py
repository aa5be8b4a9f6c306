"""Where a sweep that is resumed is tracked, without Ray: its trials are played in this process."""

import json
import shutil
import sqlite3
from contextlib import closing

import pytest
from mlflow import MlflowClient

from profl_ray.config.addresses import default_address
from profl_ray.config.load import load_experiment
from profl_ray.run.driver import Driver
from profl_ray.tracking import prepare_store, read_sweep
from profl_ray.tuning import Choice, SweepRequest
from profl_ray.tuning.plan import trial_id
from profl_ray.tuning.resumed_tracking import refill_trials, resume_parent
from profl_ray.tuning.sweep import _begin_parent
from profl_ray.tuning.sweep_folder import begun_sweep, keep_sweep, planned_trials
from profl_ray.tuning.sweep_trials import SweepTrials
from profl_ray.tuning.trial_notes import TrialEnd, TrialNotes
from profl_ray.tuning.trial_run import SweepContext

from .kit import SHORT, config, space

NAME = "short-one"
SEEDS = (1, 2, 3, 4, 5)


@pytest.fixture(autouse=True)
def _quick(monkeypatch):
    monkeypatch.setattr("profl_ray.figures.run.run_figures", lambda *_, **__: {})
    monkeypatch.delenv("MLFLOW_TRACKING_URI", raising=False)


@pytest.fixture(scope="module")
def template(tmp_path_factory):
    """A results folder with a sweep: trials that finished, was stopped, was killed, is n/a, and failed."""
    root = tmp_path_factory.mktemp("sweeps") / "runs"
    request = SweepRequest(space(root, {"seed": Choice.of(*SEEDS)}, "freezing.rounds=1"), command="as begun")
    begun = config(root, "freezing.rounds=1")
    tracked = _begin_parent(request, begun, NAME)
    settings = [{"seed": seed} for seed in SEEDS]
    keep_sweep(root / NAME, request.resolved(), begun, tracked, settings)
    context, notes = SweepContext(begun, request.space, root / NAME, tracked), TrialNotes(root / NAME)
    for index, (seed, rounds) in enumerate(zip(SEEDS, (99, 2, 1), strict=False)):
        identity = context.identity(trial_id(index), settings[index])
        driver = Driver(context.configure(settings[index]), identity)
        for _ in range(rounds):
            if not driver.finished:
                driver.play_round()
        if seed == 3:
            driver.folder.release()
            driver.server.close()
        else:
            driver.close("FINISHED" if driver.finished else "KILLED")
            outcome = "finished" if driver.finished else "stopped"
            notes.note_end(trial_id(index), TrialEnd(outcome=outcome, rounds=len(driver.records)))
    for index, outcome in ((3, "n/a"), (4, "failed")):
        status = "FINISHED" if outcome == "n/a" else "FAILED"
        context.track_untrained(trial_id(index), settings[index], f"why {outcome}", status)
        notes.note_end(trial_id(index), TrialEnd(outcome=outcome, reason=f"why {outcome}"))
    return request, root


@pytest.fixture
def begun(template, tmp_path):
    request, root = template
    shutil.copytree(root, tmp_path / "runs")
    return request, tmp_path / "runs"


def resumed(request, root, *overrides):
    """Do what a resumed sweep does before Tune takes over; return where it is tracked and what was said."""
    said = []
    words = (f"storage.root={root}", *overrides)
    asked = load_experiment("digits_tiny", [*SHORT, "freezing.rounds=1", *words]).with_absolute_paths()
    request, now, before = begun_sweep(SweepRequest(request.space, overrides=words), asked, NAME)
    tracked = resume_parent(request, now, root / NAME, before, said.append)
    trials = SweepTrials(root / NAME, planned_trials(root / NAME, "here"), len(SEEDS))
    refill_trials(trials, now, request.space, tracked, said.append)
    return tracked, said


def shown(tracked):
    """What MLflow has of the sweep: by trial, its outcome and rounds; and the sweep's own tags."""
    sweep = read_sweep(tracked.uri, "profl-ray", tracked.parent_run_id)
    trials = {trial.settings["seed"]: trial for trial in sweep.trials}
    assert len(trials) == len(sweep.trials), "each trial once"
    return sweep, {seed: (trial.outcome, len(trial.records)) for seed, trial in trials.items()}


WHOLE = {
    "1": ("finished", 4),
    "2": ("stopped", 2),
    "3": ("stopped", 1),
    "4": ("n/a", 0),
    "5": ("failed", 0),
}


def test_in_the_same_place_nothing_changes(begun):
    request, root = begun
    sweep_json = json.loads((root / NAME / "sweep.json").read_text())
    tracked, said = resumed(request, root)
    assert tracked.parent_run_id == sweep_json["parent_run_id"]
    assert tracked.uri == default_address(root), "of the folder that lies here"
    sweep, trials = shown(tracked)
    assert {seed: trials[seed] for seed in "1245"} == {seed: WHOLE[seed] for seed in "1245"}
    assert sweep.tags["profl_ray.command"] == "as begun"
    assert all("moved or copied" in line for line in said) and len(said) == 1


@pytest.mark.parametrize("how", ["another store", "deleted", "purged", "parent deleted"])
def test_what_mlflow_does_not_have_is_filled_in(begun, tmp_path, how):
    request, root = begun
    first, _ = resumed(request, root)
    words = []
    client = MlflowClient(tracking_uri=first.uri)
    runs = [trial.run_id for trial in read_sweep(first.uri, "profl-ray", first.parent_run_id).trials]
    if how == "another store":
        (tmp_path / "other").mkdir()
        words = [f"tracking.uri={default_address(tmp_path / 'other')}"]
        shutil.copy(root / "mlflow.db", tmp_path / "other")
        other = MlflowClient(tracking_uri=default_address(tmp_path / "other"))
        other.rename_experiment(first.experiment_id, "someone else's")
    elif how == "purged":
        with closing(sqlite3.connect(root / "mlflow.db")) as connection, connection:
            for table in ("latest_metrics", "metrics", "params", "tags", "runs"):
                connection.execute(f"delete from {table}")
    else:
        for run in [first.parent_run_id, *(runs if how == "deleted" else [])]:
            client.delete_run(run)
    tracked, said = resumed(request, root, *words)
    assert tracked.parent_run_id != first.parent_run_id and tracked.command == "as begun"
    (line,) = said
    assert first.parent_run_id in line and tracked.parent_run_id in line and "\n" not in line
    sweep, trials = shown(tracked)
    assert trials == WHOLE
    assert (sweep.name, sweep.description) == (NAME, "a short sweep")
    assert sweep.tags["profl_ray.command"] == "as begun"
    for trial in sweep.trials:
        seed = trial.params["sweep.seed"]
        assert trial.params["seed"] == seed
        assert bool(trial.quotas_mib) == (seed in "123")
        assert trial.reason == ("" if seed in "123" else f"why {WHOLE[seed][0]}")
    again, said = resumed(request, root, *words)
    assert (again.parent_run_id, said) == (tracked.parent_run_id, [])
    assert shown(again)[1] == WHOLE
    if how == "another store":
        back, _ = resumed(request, root)
        assert back.parent_run_id == first.parent_run_id, "the one that it has there"


def test_tracking_may_be_off(begun):
    request, root = begun
    (root / "mlflow.db").write_text("lost")
    tracked, said = resumed(request, root, "tracking.enabled=false")
    assert (tracked.uri, tracked.parent_run_id, said) == (None, None, [])


def test_tracking_may_begin_late(begun):
    request, root = begun
    path = root / NAME / "sweep.json"
    nowhere = {"uri": None, "experiment_id": "", "parent_run_id": None}
    path.write_text(json.dumps(json.loads(path.read_text()) | nowhere))
    tracked, said = resumed(request, root)
    assert shown(tracked)[1] == WHOLE
    assert any("was not tracked so far" in line for line in said)
    assert json.loads(path.read_text())["parent_run_id"] == tracked.parent_run_id


def test_the_figures_of_a_run_do_not_need_its_data(begun, tmp_path, monkeypatch):
    request, root = begun
    store = tmp_path / "other"
    prepare = load_experiment("digits_tiny", [f"storage.root={store}"])
    prepare_store(default_address(store), prepare.tracking.experiment, store)

    def missing(_config):
        from profl_ray.errors import UserError

        raise UserError("the data is not here")

    monkeypatch.setattr("profl_ray.run.refill.assemble", missing)
    tracked, said = resumed(request, root, f"tracking.uri={default_address(store)}")
    assert sum("the data is not here" in line for line in said) == 3
    _, trials = shown(tracked)
    assert trials == WHOLE
