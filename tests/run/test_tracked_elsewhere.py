"""A run that is resumed while MLflow is another one, has lost it, or is not wanted."""

import json
import shutil

import pytest
from fleet.kit import NUM_ROUNDS, short_config
from mlflow import MlflowClient
from mlflow_kit import read_run

from profl_ray.config.addresses import default_address
from profl_ray.errors import UserError
from profl_ray.run.driver import Driver, RunIdentity
from profl_ray.run.refill import refill
from profl_ray.server.run_folder import RunFolder
from profl_ray.tracking import prepare_store


@pytest.fixture(autouse=True)
def _no_figures(monkeypatch):
    """Drawing takes a second."""
    monkeypatch.setattr("profl_ray.figures.run.run_figures", lambda *_, **__: {})


@pytest.fixture(scope="module")
def template(tmp_path_factory):
    folder = tmp_path_factory.mktemp("store")
    prepare_store(default_address(folder), "profl-ray", folder)
    return folder


@pytest.fixture
def store(template, tmp_path):
    """Return a function that gives the address of an empty store by its name."""

    def make(name):
        folder = tmp_path / name
        if not folder.exists():
            shutil.copytree(template, folder)
        return default_address(folder)

    return make


@pytest.fixture
def resume_run(root, tmp_path):
    """Return a function that begins the run, or resumes it, and stops it after so many rounds."""

    def play(uri, until=NUM_ROUNDS, **identity):
        config = short_config(root, f"tracking.enabled={str(uri is not None).lower()}")
        given = {"params": {"sweep.x": "1"}} | identity
        driver = Driver(config, RunIdentity(tmp_path / "run", "a name", uri, **given))
        return driver.run(lambda record: driver.stop() if record.round >= until else None)

    return play


def assert_whole(uri, summary, reference, tmp_path):
    """The run in MLflow has every round once, as it was played, and all that a run leaves."""
    digest, records = reference
    run = read_run(uri, summary["mlflow_run_id"])
    assert (run.status, run.name) == ("FINISHED", "a name")
    assert run.tags["profl_ray.weights_sha256"] == summary["weights_sha256"] == digest
    assert run.params["sweep.x"] == "1" and run.params["seed"] == "42"
    client = MlflowClient(tracking_uri=uri)
    for name in ("test_accuracy", "uplink_bytes", "need_mib"):
        points = client.get_metric_history(run.run_id, name)
        expected = [(record.round, getattr(record, name)) for record in records]
        assert [(point.step, point.value) for point in sorted(points, key=lambda p: p.step)] == expected
        assert [p.step for p in sorted(points, key=lambda p: (p.timestamp, p.step))] == sorted(
            range(1, NUM_ROUNDS + 1)
        ), "times rise with the rounds"
    assert run.summary["final_accuracy"] == records[-1].test_accuracy
    assert run.quotas_mib
    paths = {
        entry.path
        for folder in ("", "tables", "figures")
        for entry in client.list_artifacts(run.run_id, folder)
    }
    assert {"config.yaml", "federation", "tables/memory.json", "tables/devices.json"} < paths
    facts = json.loads((tmp_path / "run" / "run.json").read_text())
    assert facts["mlflow_run_id"] == run.run_id


LOSSES = {
    "another store": lambda client, run: "new",
    "deleted": lambda client, run: client.delete_run(run),
    "another experiment": lambda client, run: client.rename_experiment(
        client.get_run(run).info.experiment_id, "renamed"
    ),
}


@pytest.mark.parametrize("loss", LOSSES)
def test_a_run_that_is_not_there_any_more_is_filled_in(resume_run, store, reference, tmp_path, loss):
    old = store("old")
    first = resume_run(old, until=3)["mlflow_run_id"]
    name = LOSSES[loss](MlflowClient(tracking_uri=old), first) or "old"
    summary = resume_run(store(name), until=4)
    assert summary["mlflow_run_id"] != first
    (notice,) = summary["notices"]
    assert first in notice and summary["mlflow_run_id"] in notice and "\n" not in notice
    summary = resume_run(store(name))
    assert summary["notices"] == [], "told once"
    assert_whole(store(name), summary, reference, tmp_path)


def test_a_finished_run_is_filled_in_too(resume_run, store, reference, tmp_path):
    resume_run(store("old"))
    assert_whole(store("new"), resume_run(store("new")), reference, tmp_path)


def test_the_same_store_under_another_address_has_the_run(resume_run, store, reference, tmp_path):
    first = resume_run(store("old"), until=3)
    (tmp_path / "old").rename(tmp_path / "new")
    summary = resume_run(store("new"))
    assert summary["mlflow_run_id"] == first["mlflow_run_id"]
    assert_whole(store("new"), summary, reference, tmp_path)
    assert not (tmp_path / "old").exists()


def test_a_run_that_goes_back_resumes_the_run_that_is_there(resume_run, store, reference, tmp_path):
    first = resume_run(store("a"), until=2)
    assert resume_run(store("b"), until=4)["mlflow_run_id"] != first["mlflow_run_id"]
    summary = resume_run(store("a"))
    assert summary["mlflow_run_id"] == first["mlflow_run_id"]
    assert_whole(store("a"), summary, reference, tmp_path)


def test_tracking_may_be_off_in_between(resume_run, store, reference, tmp_path):
    uri = store("old")
    first = resume_run(uri, until=2)
    assert resume_run(None, until=4)["mlflow_run_id"] == ""
    summary = resume_run(uri)
    assert summary["mlflow_run_id"] == first["mlflow_run_id"]
    assert_whole(uri, summary, reference, tmp_path)


def test_tracking_may_begin_late(resume_run, store, reference, tmp_path):
    resume_run(None, until=4)
    uri = store("old")
    summary = resume_run(uri, until=5)
    assert len(summary["notices"]) == 1
    assert resume_run(uri)["mlflow_run_id"] == summary["mlflow_run_id"], "it is noted"
    assert_whole(uri, resume_run(uri), reference, tmp_path)


def test_an_mlflow_that_is_away_is_told_before_anything_is_played(resume_run, store):
    resume_run(store("old"), until=2)
    with pytest.raises(UserError, match="no MLflow server answers"):
        resume_run("http://127.0.0.1:9")
    assert resume_run(None)["finished"]


def test_a_run_that_has_ended_is_filled_in_without_being_played(resume_run, store, reference, tmp_path, root):
    resume_run(store("old"))
    before = {
        path: path.read_bytes()
        for path in (tmp_path / "run").rglob("*")
        if path.is_file() and path.suffix != ".json"
    }
    uri = store("new")
    experiment_id = prepare_store(uri, "profl-ray", tmp_path / "new")
    identity = RunIdentity(tmp_path / "run", "a name", uri, experiment_id, params={"sweep.x": "1"})
    assert refill(identity, short_config(root)) == ""
    folder = RunFolder(tmp_path / "run")
    run_id = folder.facts()["mlflow_run_id"]
    summary = {"mlflow_run_id": run_id, "weights_sha256": reference[0]}
    assert_whole(uri, summary, reference, tmp_path)
    assert {path: path.read_bytes() for path in before} == before
    assert refill(identity, short_config(root)) == "" and folder.facts()["mlflow_run_id"] == run_id


def test_other_data_under_the_same_name_is_refused(resume_run, tmp_path, monkeypatch):
    resume_run(None, until=2)
    run = RunFolder(tmp_path / "run")
    run.note(contents={"data": "of other images"})
    with pytest.raises(UserError, match=r"data\.root=.* holds other data than the run was begun with"):
        resume_run(None)
    facts = run.facts()
    del facts["contents"]
    (run.path / "run.json").write_text(json.dumps(facts))
    assert resume_run(None)["notices"] == [], "of an older version, in the same place"
