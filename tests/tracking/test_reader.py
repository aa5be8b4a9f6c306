from dataclasses import replace

import pytest
from mlflow import MlflowClient
from mlflow_kit import read_run

from profl_ray import __version__
from profl_ray.errors import UserError
from profl_ray.tracking import (
    QUOTAS_PATH,
    RunWriter,
    Totals,
    prepare_store,
    read_progress,
    read_sweep,
    start_parent,
)


@pytest.fixture(scope="module")
def experiment(store):
    """An experiment of its own, with an older and a newer sweep and a run."""
    uri, _, root = store
    experiment_id = prepare_store(uri, "reading", root)
    RunWriter.start(uri, experiment_id, "alone", {"seed": "1"}, {}).finish()
    for name in ("older", "newer"):
        parent = start_parent(
            uri, experiment_id, name, {"metric": "final_accuracy"}, description="Why\n\n**Results**"
        )
        for phi in ("0.1", "0.2"):
            params = {"freezing.phi": phi, "sweep.freezing.phi": phi}
            trial = RunWriter.start(uri, experiment_id, f"{name}-{phi}", params, {}, parent_run_id=parent)
            trial.log_json([100.0, 200.5], QUOTAS_PATH)
            trial.log_summary({"final_accuracy": float(phi)})
            trial.finish("FINISHED" if phi == "0.1" else "FAILED")
    return uri


def test_the_newest_sweep_is_read_with_its_trials(experiment):
    sweep = read_sweep(experiment, "reading")
    assert (sweep.name, sweep.description, sweep.params) == ("newer", "Why", {"metric": "final_accuracy"})
    assert [trial.name for trial in sweep.trials] == ["newer-0.1", "newer-0.2"]
    assert [trial.settings for trial in sweep.trials] == [{"freezing.phi": "0.1"}, {"freezing.phi": "0.2"}]
    assert [trial.outcome for trial in sweep.trials] == ["finished", "failed"]
    assert sweep.trials[0].quotas_mib == [100.0, 200.5]


def test_a_sweep_or_a_run_is_found_by_name_and_by_id(experiment):
    older = read_sweep(experiment, "reading", "older")
    assert older.trials[0].name == "older-0.1"
    assert read_sweep(experiment, "reading", older.run_id) == older
    alone = read_sweep(experiment, "reading", "alone")
    assert [trial.run_id for trial in alone.trials] == [alone.run_id]


def test_what_is_not_there_is_a_user_error(experiment, tmp_path):
    with pytest.raises(UserError, match="did you mean 'newer'"):
        read_sweep(experiment, "reading", "newr")
    with pytest.raises(UserError, match="did you mean 'reading'"):
        read_sweep(experiment, "raeding")
    with pytest.raises(UserError, match="no MLflow store"):
        read_sweep(f"sqlite:///{tmp_path}/none.db", "reading")
    assert not list(tmp_path.iterdir()), "reading creates nothing"


def test_an_experiment_without_runs_is_a_user_error(store):
    uri, _, root = store
    prepare_store(uri, "empty", root)
    with pytest.raises(UserError, match="holds no sweep and no run"):
        read_sweep(uri, "empty")


def test_records_come_back(store, make_record):
    uri, experiment_id, _ = store
    run = RunWriter.start(uri, experiment_id, "records", {}, {})
    written = [
        make_record(1, stage="warm_up", block=0, step_index=0, step_ended=True, end_reason="fixed_rounds"),
        make_record(2, stage="grow", block=1, step_index=1, test_recalls=(0.5, None)),
        make_record(
            3, stage="grow", block=1, step_index=1, step_round=2, figures={"slope": -0.5, "own": 4.0}
        ),
    ]
    for record in written:
        run.log_round(record, Totals())
    run.finish()
    assert read_run(uri, run.run_id).records == written


@pytest.fixture
def mixed(store, make_record):
    """A sweep of a readable trial, one of before records were kept, and one of another version."""
    uri, _, root = store
    experiment_id = prepare_store(uri, "mixed", root)
    client = MlflowClient(tracking_uri=uri)
    parent = start_parent(uri, experiment_id, "mixed", {})
    for name in ("now", "old", "odd"):
        run = RunWriter.start(uri, experiment_id, name, {}, {}, parent_run_id=parent)
        run.log_round(make_record(1), Totals())
        run.finish()
        if name == "odd":
            client.log_text(run.run_id, '{"round": 1}\n', "records.jsonl")
        if name == "old":
            (root / "mlartifacts" / run.run_id / "artifacts" / "records.jsonl").unlink()
            client.delete_tag(run.run_id, "profl_ray.version")
    return uri


def test_runs_that_cannot_be_read_are_named_with_their_version_and_the_others_are_read(mixed):
    sweep = read_sweep(mixed, "mixed")
    assert [(trial.name, len(trial.records)) for trial in sweep.trials] == [("now", 1)]
    assert [trial.name for trial in sweep.unread] == ["old", "odd"]
    words = sweep.unread_notice
    assert len(words.splitlines()) == 1
    assert "old (no artifact records.jsonl; written by an older version that did not note" in words
    assert "odd (records.jsonl, line 1: a round's record of another version: it lacks" in words
    assert f"written by {__version__})" in words


def test_many_runs_that_cannot_be_read_alike_are_one_line_that_can_be_read(mixed):
    sweep = read_sweep(mixed, "mixed")
    many = replace(sweep, unread=[replace(sweep.unread[0], name=f"t{n}") for n in range(99)])
    assert "t6, t7 and 91 more (no artifact" in many.unread_notice
    assert replace(sweep, unread=[]).unread_notice == ""


def test_progress_names_the_step_by_its_tag(store, make_record):
    uri, _, root = store
    run = RunWriter.start(uri, prepare_store(uri, "progress", root), "going", {}, {})
    run.log_round(make_record(1, stage="prune", block=3), Totals())
    (trial,) = read_progress(uri, "progress").trials
    assert (trial.step, trial.rounds, trial.state) == ("prune 3", 1, "running")
