import inspect
import json
from dataclasses import replace

import numpy as np
import pytest
from fleet.kit import NUM_ROUNDS, short_config, without_seconds
from mlflow_kit import history, read_run

from profl_ray.errors import UserError
from profl_ray.fleet.in_process import InProcessFleet
from profl_ray.run.driver import Driver, RunIdentity
from profl_ray.server.record import RoundRecord
from profl_ray.server.run_folder import RunFolder
from profl_ray.strategies.base import task_state
from profl_ray.tracking import prepare_store
from profl_ray.training.sgd import LeanSGD


@pytest.fixture
def make_driver(root, tmp_path):
    def make(*overrides, **identity):
        return Driver(short_config(root, *overrides), RunIdentity(tmp_path / "run", "run", **identity))

    return make


def records_of(folder):
    return [RoundRecord.from_json(json.loads(line)) for line in folder.records_path.read_text().splitlines()]


def test_a_run_from_its_first_round_to_its_end(make_driver, reference):
    driver, seen = make_driver(), []
    assert driver.status() == {"run_id": "run", "name": "run", "finished": False, "last": None}
    summary = driver.run(seen.append)
    digest, expected = reference
    assert without_seconds(seen) == without_seconds(driver.records) == expected
    assert summary["finished"] and summary["rounds"] == NUM_ROUNDS and summary["run_id"] == "run"
    assert summary["weights_sha256"] == digest
    assert summary["final_accuracy"] == expected[-1].test_accuracy and "final_test_accuracy" not in summary
    assert driver.status()["finished"] and driver.status()["last"] == seen[-1].to_json()
    assert records_of(driver.folder) == driver.records


def test_settings_are_chosen_by_the_validation_part_and_the_test_examples_come_last(make_driver, monkeypatch):
    driver, parts = make_driver("data.validation=0.25"), []
    whole, split = driver.experiment.data, driver.experiment.split
    evaluate = driver.fleet.evaluate

    def noted(state, num_examples, batch_size, part="test"):
        parts.append((part, num_examples))
        return evaluate(state, num_examples, batch_size, part)

    monkeypatch.setattr(driver.fleet, "evaluate", noted)
    summary = driver.run()
    num_test = len(whole.test_labels)
    assert parts[-1] == ("test", num_test) and set(parts[:-1]) == {("validation", len(split.validation))}
    assert len(parts) == NUM_ROUNDS + 1
    assert summary["final_accuracy"] == driver.records[-1].test_accuracy
    # The same, on data whose test examples are those of the part.
    strategy = driver.server.strategy
    state = task_state(strategy.complete_task(), strategy.complete_weights(), "complete")
    as_test = replace(
        whole,
        test_inputs=whole.train_inputs[split.validation],
        test_labels=whole.train_labels[split.validation],
    )
    on_part = InProcessFleet(replace(driver.experiment, data=as_test)).evaluate(
        state, len(split.validation), driver.config.evaluation.batch_size
    )
    assert summary["final_accuracy"] == on_part.accuracy
    on_test = InProcessFleet(driver.experiment).evaluate(state, num_test, driver.config.evaluation.batch_size)
    assert summary["final_test_accuracy"] == on_test.accuracy
    trained = np.concatenate(split.indices)
    assert not set(trained.tolist()) & set(split.validation.tolist())


def test_the_share_done_rises_to_one(make_driver):
    driver, shares = make_driver(), []
    assert driver.share_done == 0
    while not driver.finished:
        record = driver.play_round()
        shares.append(driver.share_done)
        assert not record.step_ended or shares[-1] == (record.step_index + 1) / driver.num_steps
    assert shares == sorted(set(shares)) and shares[-1] == 1
    driver.close("FINISHED")


def test_every_round_is_saved_when_it_is_told(make_driver):
    driver = make_driver()

    def saved(record):
        saved = RunFolder(driver.folder.path).latest()
        assert saved.snapshot.facts["ledger"]["rounds"] == record.round == len(saved.records)

    driver.run(saved)


@pytest.mark.parametrize("every", [1, 3])
@pytest.mark.parametrize("rounds", [1, 3, 4])
def test_a_stopped_run_is_saved_and_resumes_as_if_it_had_not_stopped(make_driver, reference, every, rounds):
    option = f"storage.checkpoint_every_rounds={every}"
    driver = make_driver(option)
    summary = driver.run(lambda record: driver.stop() if record.round == rounds else None)
    assert (summary["finished"], summary["rounds"]) == (False, rounds)
    assert "final_accuracy" not in summary
    assert len(driver.folder.latest().records) == rounds, "the round it ended with is saved"
    resumed, played = make_driver(option), []
    assert resumed.status()["last"] == driver.records[-1].to_json()
    summary = resumed.run(lambda record: played.append(record.round))
    assert played == list(range(rounds + 1, NUM_ROUNDS + 1))
    assert without_seconds(resumed.records) == without_seconds(records_of(resumed.folder)) == reference[1]
    assert summary["weights_sha256"] == reference[0] and summary["finished"]
    assert summary["uplink_bytes_total"] == sum(record.uplink_bytes for record in reference[1])


@pytest.mark.parametrize("every", [1, 3])
def test_a_killed_run_resumes_from_its_last_checkpoint(make_driver, reference, every):
    """Killed after two rounds: nothing is closed; with a checkpoint every three rounds, none was saved."""
    option = f"storage.checkpoint_every_rounds={every}"
    killed = make_driver(option)
    for _ in range(2):
        killed.play_round()
    killed.folder.release()  # as the system does when a process is gone
    resumed = make_driver(option)
    assert len(resumed.records) == (2 if every == 1 else 0)
    summary = resumed.run()
    assert summary["weights_sha256"] == reference[0]
    assert without_seconds(records_of(resumed.folder)) == reference[1]


@pytest.mark.parametrize("replayed", range(1, NUM_ROUNDS))
def test_rounds_shared_under_other_settings_are_forgotten_when_a_run_is_resumed(
    root, tmp_path, make_driver, reference, replayed
):
    sharing = ("storage.share_rounds=true", f"storage.root={tmp_path}")
    Driver(short_config(root, *sharing), RunIdentity(tmp_path / "first", "first")).run()
    driver = make_driver(*sharing)
    for _ in range(replayed):
        driver.play_round()
    driver.save()
    assert driver.close("KILLED")["rounds_shared"] == replayed
    for _ in range(2):  # Also when it is killed at once: the state that it goes back to is saved.
        resumed = make_driver(*sharing, "fleet.overhead_mib=65")
        stands_at = len(resumed.records)
        assert stands_at == len(records_of(resumed.folder)) <= replayed
        assert bool(resumed.notices) is (stands_at < replayed)
        resumed.server.close()
        resumed.folder.release()
        replayed = stands_at
    resumed = make_driver(*sharing, "fleet.overhead_mib=65")
    summary = resumed.run()
    digest, expected = reference
    assert (summary["weights_sha256"], without_seconds(resumed.records)) == (digest, expected)
    assert without_seconds(records_of(resumed.folder)) == expected
    assert summary["rounds_trained"] >= NUM_ROUNDS - stands_at


def test_a_finished_run_that_is_resumed_plays_nothing(make_driver, reference):
    make_driver().run()
    summary = make_driver().run(lambda record: pytest.fail("it was over"))
    assert summary["weights_sha256"] == reference[0] and summary["rounds"] == NUM_ROUNDS


def test_a_stop_before_the_first_round_plays_none(make_driver):
    driver = make_driver()
    driver.stop()
    summary = driver.run()
    assert not summary["finished"] and driver.records == []
    assert make_driver().run()["finished"]


def test_a_mistake_is_told_before_the_fleet_starts_or_a_folder_is_made(make_driver, tmp_path, monkeypatch):
    monkeypatch.setattr("profl_ray.run.driver.build_fleet", lambda _: pytest.fail("a fleet was started"))
    with pytest.raises(UserError, match="no device can train step"):
        make_driver("federation.quotas.low_fraction=0.01", "federation.quotas.high_fraction=0.02")
    assert not (tmp_path / "run").exists()


def test_the_fleet_is_released_whatever_happens(make_driver, monkeypatch):
    closed = []
    monkeypatch.setattr(InProcessFleet, "close", lambda self: closed.append(self))
    driver = make_driver()

    def fail(_record):
        raise RuntimeError("a bug")

    with pytest.raises(RuntimeError, match="a bug"):
        driver.run(fail)
    assert closed == [driver.fleet]
    (driver.folder.path / "checkpoints" / "round-000001" / "state.json").write_text("")
    with pytest.raises(UserError, match="round-000001"):
        make_driver()
    assert len(closed) == 2


@pytest.fixture(scope="module")
def store(tmp_path_factory):
    """A SQLite store: creating its tables takes some seconds. (uri, experiment id)"""
    folder = tmp_path_factory.mktemp("store")
    uri = f"sqlite:///{folder}/mlflow.db"
    return uri, prepare_store(uri, "profl-ray", folder)


def test_a_tracked_run_that_is_stopped_and_resumed_is_one_run_in_mlflow(make_driver, reference, store):
    uri, experiment_id = store
    tracked = {"uri": uri, "experiment_id": experiment_id}
    driver = make_driver("tracking.enabled=true", **tracked)
    run_id = driver.writer.run_id
    first = driver.run(lambda record: driver.stop() if record.round == 3 else None)
    assert read_run(uri, run_id).status == "KILLED"
    resumed = make_driver("tracking.enabled=true", **tracked)
    summary = resumed.run()
    assert first["mlflow_run_id"] == summary["mlflow_run_id"] == run_id
    assert first["run_id"] == summary["run_id"] == "run", "the folder's name, by which it is resumed"
    assert summary["weights_sha256"] == reference[0]
    run = read_run(uri, run_id)
    assert run.status == "FINISHED"
    accuracies = [(record.round, record.test_accuracy) for record in reference[1]]
    assert history(uri, run_id)["test_accuracy"] == accuracies, "every round is there, once"
    assert without_seconds(resumed.records) == reference[1]
    assert run.records == resumed.records, "those of before the stop, too, with the devices as they were"


@pytest.mark.parametrize("every", [1, 4])
def test_mlflow_shows_the_rounds_that_took_the_place_of_others(root, tmp_path, make_driver, store, every):
    """Also where the run is closed again before it has come as far as it was, or as its records were."""
    sharing = (
        "storage.share_rounds=true",
        f"storage.root={tmp_path}",
        f"storage.checkpoint_every_rounds={every}",
        "freezing.rounds=6",
    )
    tracked = dict(zip(("uri", "experiment_id"), store, strict=True))
    Driver(short_config(root, *sharing), RunIdentity(tmp_path / "first", "first")).run()
    driver = make_driver(*sharing, **tracked)
    for _ in range(5):
        driver.play_round()  # Replayed: their seconds are 0.
    driver.writer.finish("KILLED")  # Killed: what was not saved is not.
    driver.server.close()
    driver.folder.release()
    for _ in range(2):
        driver = make_driver(*sharing, "fleet.overhead_mib=65", **tracked)
        driver.play_round()
        driver.save()
        driver.close("KILLED")
    driver = make_driver(*sharing, "fleet.overhead_mib=65", **tracked)
    summary = driver.run()
    shown = dict(history(store[0], summary["mlflow_run_id"])["seconds"])
    assert shown == {record.round: record.seconds for record in driver.records}
    assert all(shown.values()), "all were trained here"


def test_few_frames_lie_between_a_run_and_the_sgd_step(make_driver, monkeypatch):
    """Whoever debugs a method in process sees the whole way at once."""
    seen, step = [], LeanSGD.step

    def look(self):
        seen.append([frame.function for frame in inspect.stack(0)])
        step(self)

    monkeypatch.setattr(LeanSGD, "step", look)
    driver = make_driver("strategy.name=fedavg", "strategy.rounds=1")
    driver.run()
    # The step on a blank batch, which is measured, comes on another way.
    trained = [functions for functions in seen if "_train_device" in functions]
    assert trained
    for functions in trained:
        way = functions[1 : functions.index("train_round") + 4]
        assert way[0] == "step" and way[-1] == "run" and len(way) <= 11, way
