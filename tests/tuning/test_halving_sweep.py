import signal

import pytest

from profl_ray.run.driver import Driver, RunIdentity
from profl_ray.tracking import read_sweep
from profl_ray.tuning import Choice, SweepRequest, resume_sweep, run_sweep

from .kit import config, settings_of, space

pytestmark = pytest.mark.ray


@pytest.mark.parametrize("search", ["grid", "optuna"])
def test_halving_lets_trials_wait_for_one_another(local_ray, root, search):
    """The best comes last, and nothing is trained for those before it beyond the first rung."""
    rates = Choice.of(1e-9, 1e-8, 0.01, 0.1)
    made = space(root, {"training.learning_rate": rates}, "model.partition=[1,1,2]", "freezing.rounds=2")
    num_samples = 4 if search == "optuna" else None
    request = SweepRequest(
        made, search=search, num_samples=num_samples, scheduler="halving", max_concurrent=2
    )
    lines = []
    outcome = run_sweep(request, lines.append)
    assert (outcome.num_trials, outcome.num_failed) == (4, 0)
    sweep = read_sweep(outcome.uri, "profl-ray", outcome.parent_run_id)
    grown = {trial.run_id: trial.records[-1].units_grown for trial in sweep.trials}
    whole = [trial for trial in sweep.trials if trial.outcome == "finished"]
    assert whole and all(grown[trial.run_id] == 4 for trial in whole)
    if search == "grid":
        (best,) = whole
        assert sorted(grown.values()) == [1, 1, 2, 4]
        assert outcome.best_settings == settings_of(best) == {"training.learning_rate": 0.1}
        stopped = [trial for trial in sweep.trials if trial is not best]
        assert all((trial.status, trial.outcome) == ("KILLED", "stopped") for trial in stopped)
        assert sum("stopped" in line for line in lines) == 3
        overrides = ("model.partition=[1,1,2]", "freezing.rounds=2", "training.learning_rate=0.1")
        alone = Driver(config(root, *overrides), RunIdentity(root / "alone", "alone")).run()
        assert best.tags["profl_ray.weights_sha256"] == alone["weights_sha256"]


def test_an_interrupted_sweep_resumes_with_those_that_passed(local_ray, root):
    rates = Choice.of(1e-9, 1e-8, 0.01, 0.1)
    made = space(root, {"training.learning_rate": rates}, "model.partition=[1,1,2]", "freezing.rounds=2")
    request = SweepRequest(made, scheduler="halving", max_concurrent=2, command="profl-ray sweep short")
    lines = []

    def interrupt(text):
        lines.append(text)
        if sum(line.strip().startswith("stopped") for line in lines) == 1:
            signal.raise_signal(signal.SIGINT)

    with pytest.raises(KeyboardInterrupt):
        run_sweep(request, interrupt)
    name = lines[-1].rpartition(" ")[2]
    assert lines[-1] == f"interrupted; resume with profl-ray sweep short --resume {name}"
    interrupted = read_sweep(f"sqlite:///{root}/mlflow.db", "profl-ray", name)
    assert {trial.status for trial in interrupted.trials} == {"KILLED"}, "no trial seems to wait"
    records = {path: path.read_text() for path in root.glob(f"{name}/trials/*/records.jsonl")}

    outcome = resume_sweep(request, name, lines.append)
    assert (outcome.num_trials, outcome.num_failed) == (4, 0)
    assert outcome.best_settings == {"training.learning_rate": 0.1}
    sweep = read_sweep(outcome.uri, "profl-ray", outcome.parent_run_id)
    assert sorted(trial.records[-1].units_grown for trial in sweep.trials) == [1, 1, 2, 4]
    assert sorted(trial.status for trial in sweep.trials) == ["FINISHED", "KILLED", "KILLED", "KILLED"]
    assert sum(path.read_text() == text for path, text in records.items()) == 2, "the beaten trained no more"
