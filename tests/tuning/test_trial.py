"""A trial without Tune: it waits, is resumed, and leaves its process to another."""

from dataclasses import replace

import pytest
from mlflow_kit import read_run

from profl_ray.cluster.placing import Node
from profl_ray.errors import NotHere
from profl_ray.run.driver import Driver, RunIdentity
from profl_ray.server.run_folder import RunFolder
from profl_ray.texts import as_text
from profl_ray.tracking import (
    TRIAL_TAG,
    RunWriter,
    end_waiting,
    prepare_store,
    read_progress,
    read_sweep,
    start_parent,
)
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


def untrained(root, tmp_path, changes, num_nodes=1):
    """Return what a trial with these changes reports first, and its sweep read back from MLflow."""
    uri = f"sqlite:///{root}/mlflow.db"
    experiment_id = prepare_store(uri, "profl-ray", root)
    parent = start_parent(uri, experiment_id, tmp_path.name, {})
    made = space(root, {"way": Choice.of("it")}, bundles={"way": {"it": changes}})
    nodes = (Node({"CPU": 4.0}),) * num_nodes
    context = SweepContext(config(root), made, tmp_path, Tracked(uri, experiment_id, parent), nodes)

    class Alone(ProFLTrial):
        trial_id = "00007"

        def setup(self, config):
            super().setup(config, context)

    for _ in range(2):  # As after a kill before the sweep heard of it.
        trial = Alone({"way": encode("it")})
        reported = trial.step()
        trial.stop()
    (tracked,) = read_sweep(uri, "profl-ray", parent).trials
    assert tracked.name == "way=it" and tracked.settings == {"way": "it"}
    assert tracked.params[next(iter(changes))] == as_text(next(iter(changes.values())))
    return reported, tracked, read_progress(uri, "profl-ray", parent).trials[0]


REFUSED = {
    "a pair": ({"freezing.min_rounds": 12, "freezing.max_rounds": 8}, "min_rounds=12 is above max_rounds=8"),
    "a partition": ({"model.partition": [3, 3]}, "model.partition=[3, 3] does not add up"),
    "a model": ({"model.name": "lenet"}, "unknown model 'lenet'"),
    "a split": ({"data.examples_per_device": 100000}, "data.examples_per_device=100000"),
    "a cluster": ({"fleet.cpus_per_actor": 99}, "99 CPU"),
    "a quota": (
        {"federation.quotas.low_fraction": 0.01, "federation.quotas.high_fraction": 0.02},
        "no device can",
    ),
}


@pytest.mark.parametrize("case", REFUSED)
def test_a_setting_that_cannot_be_trained_is_n_a_and_says_why(root, tmp_path, case):
    changes, words = REFUSED[case]
    reported, tracked, progress = untrained(root, tmp_path, changes)
    assert words in reported["refusal"] and reported["done"] and "failure" not in reported
    assert (tracked.outcome, tracked.status, tracked.reason) == ("n/a", "FINISHED", reported["refusal"])
    assert (progress.state, progress.reason) == ("n/a", tracked.reason)
    assert not (tmp_path / TRIALS).exists()


ABSENT = {"data.name": "cifar10", "data.root": "/nowhere"}


def test_what_this_machine_lacks_is_a_failure_that_a_resumed_sweep_tries_again(root, tmp_path):
    reported, tracked, progress = untrained(root, tmp_path, ABSENT)
    assert "not found, looked in /nowhere" in reported["failure"]
    assert reported["done"] and reported["final"] is False
    assert (tracked.outcome, tracked.reason) == ("failed", reported["failure"])
    assert (progress.state, progress.reason) == ("failed", tracked.reason)


def test_what_this_machine_lacks_is_tried_again_where_there_are_others(root, tmp_path):
    with pytest.raises(NotHere, match="not found, looked in /nowhere"):
        untrained(root, tmp_path, ABSENT, num_nodes=2)


def test_a_trial_that_was_lost_as_it_began_resumes_with_the_run_that_it_has(trial, tmp_path):
    tracked = trial.context.tracked
    parent = start_parent(tracked.uri, tracked.experiment_id, tmp_path.name, {})
    trial.context = replace(trial.context, tracked=replace(tracked, parent_run_id=parent))
    tags, options = {TRIAL_TAG: "first"}, {"parent_run_id": parent}
    lost = RunWriter.start(tracked.uri, tracked.experiment_id, "first", {}, tags, **options).run_id
    other = {TRIAL_TAG: "other"}
    RunWriter.start(tracked.uri, tracked.experiment_id, "other", {}, other, **options)
    trial.step()
    assert run(trial).run_id == lost and run(trial).records


def test_a_folder_with_a_run_of_other_settings_is_not_gone_on_with(trial, tmp_path):
    trial.step()
    records = RunFolder(tmp_path / TRIALS / "first").read_records()
    trial.reset_config({"training.learning_rate": encode(0.01)})
    reported = trial.step()
    assert (
        "holds a run with training.learning_rate=0.1, not training.learning_rate=0.01" in reported["failure"]
    )
    assert reported["done"] and reported["final"] is False
    assert RunFolder(tmp_path / TRIALS / "first").read_records() == records


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
