"""A trial without Tune: it waits, goes on, and leaves its process to another."""

import pytest

from profl_ray.fleet.driver import Driver, RunIdentity
from profl_ray.server.run_folder import RunFolder
from profl_ray.tracking import end_waiting, prepare_store, read_run
from profl_ray.tuning import Choice
from profl_ray.tuning.space import encode
from profl_ray.tuning.sweep_folder import Tracked
from profl_ray.tuning.trial import METRIC, TIME, ProFLTrial
from profl_ray.tuning.trial_run import TRIALS, SweepContext

from .kit import config, space

SELDOM = "storage.checkpoint_every_rounds=50"


@pytest.fixture
def trial(root, tmp_path):
    """A trial of two rates, outside of Tune, at the first."""
    uri = f"sqlite:///{root}/mlflow.db"
    experiment_id = prepare_store(uri, "profl-ray", root)
    made = space(root, {"training.learning_rate": Choice.of(0.1, 0.01)}, SELDOM)
    context = SweepContext(config(root, SELDOM), made, tmp_path, Tracked(uri, experiment_id))

    class Alone(ProFLTrial):
        name = "first"

        def setup(self, config):
            super().setup(config, context)

        @property
        def trial_id(self):
            return self.name

    trial = Alone({"training.learning_rate": encode(0.1)})
    yield trial
    trial.stop()


def run(trial):
    uri, facts = trial.context.tracked.uri, RunFolder(trial.context.folder / TRIALS / trial.name).facts()
    return read_run(uri, facts["mlflow_run_id"])


def status(trial):
    return run(trial).status


def test_a_trial_that_waits_loses_nothing_and_goes_on(trial, root, tmp_path):
    for _ in range(4):
        trial.step()
    (tmp_path / "checkpoint").mkdir()
    trial.save_checkpoint(str(tmp_path / "checkpoint"))
    assert status(trial) == "SCHEDULED"
    last = trial.step()
    assert last["round"] == 5 and status(trial) == "RUNNING"
    while not last["done"]:
        last = trial.step()
    assert status(trial) == "FINISHED" and last[TIME] == 4
    alone = Driver(config(root, "training.learning_rate=0.1"), RunIdentity(tmp_path / "alone", "alone")).run()
    assert last[METRIC] == alone["final_accuracy"]
    assert run(trial).tags["profl_ray.weights_sha256"] == alone["weights_sha256"]


def test_a_trial_that_will_not_go_on_is_marked_as_stopped(trial, tmp_path):
    trial.step()
    (tmp_path / "checkpoint").mkdir()
    trial.save_checkpoint(str(tmp_path / "checkpoint"))
    run_id = RunFolder(tmp_path / TRIALS / "first").facts()["mlflow_run_id"]
    end_waiting(trial.context.tracked.uri, run_id)
    assert status(trial) == "KILLED"
    trial.step()
    end_waiting(trial.context.tracked.uri, run_id)
    assert status(trial) == "RUNNING", "only what waits"


def test_a_process_serves_another_trial(trial, tmp_path):
    trial.step()
    trial.name = "second"
    assert trial.reset_config({"training.learning_rate": encode(0.01)})
    assert trial.step()["round"] == 1
    assert trial.driver.config.training.learning_rate == 0.01
    assert sorted(path.name for path in (tmp_path / TRIALS).iterdir()) == ["first", "second"]
    assert len(RunFolder(tmp_path / TRIALS / "first").read_records()) == 1
    trial.name = "first"
    assert status(trial) == "KILLED"
