import pytest

from profl_ray.errors import UserError
from profl_ray.tracking import (
    QUOTAS_PATH,
    RunWriter,
    Totals,
    prepare_store,
    read_run,
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
    with pytest.raises(UserError, match="cannot read from MLflow"):
        read_run(experiment, "nonsense")
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
        make_record(2, stage="grow", block=1, step_index=1),
        make_record(3, stage="grow", block=1, step_index=1, step_round=2, slope=-0.5, effective_movement=0.4),
    ]
    for record in written:
        run.log_round(record, Totals())
    run.finish()
    read = read_run(uri, run.run_id).records
    assert [(len(r.cohort), len(r.trained), len(r.failed)) for r in read] == [(3, 2, 1)] * 3
    alike = {"cohort": (), "trained": (), "failed": {}}
    assert [r.to_json() | alike for r in read] == [r.to_json() | alike for r in written]
