"""Results folders that were moved, copied or reached through a link: artifacts lie beside the store."""

import shutil
import sqlite3
from contextlib import closing
from pathlib import Path

import pytest
from mlflow import MlflowClient
from mlflow_kit import read_run

from profl_ray.config.addresses import default_address
from profl_ray.tracking import adopt_artifacts, prepare_store
from profl_ray.tracking.artifacts import QUOTAS_PATH

EXPERIMENT = "profl-ray"


@pytest.fixture
def before(tmp_path, store):
    """A results folder with a run, made from the session's store: its tables take seconds."""
    root = tmp_path / "runs"
    root.mkdir()
    shutil.copy(store[2] / "mlflow.db", root)
    with closing(sqlite3.connect(root / "mlflow.db")) as connection, connection:
        for table in ("latest_metrics", "metrics", "params", "tags", "runs", "experiments"):
            condition = " where experiment_id != 0" if table == "experiments" else ""
            connection.execute(f"delete from {table}{condition}")
    return root


def new_run(root, uri=None, experiment=EXPERIMENT, said=None):
    """Begin a run as we do, log its quotas, and return its id."""
    uri = uri or default_address(root)
    said = [] if said is None else said
    client = MlflowClient(tracking_uri=uri)
    run = client.create_run(prepare_store(uri, experiment, root, said.append))
    client.log_text(run.info.run_id, "[1.5, 2.5]", QUOTAS_PATH)
    return run.info.run_id


def artifacts(root):
    return {path.name for path in (root / "mlartifacts").iterdir()}


def test_after_a_move_new_artifacts_lie_beside_the_store_and_old_ones_are_read(before, tmp_path):
    old = new_run(before)
    root = before.rename(tmp_path / "runs2")
    said = []
    new = new_run(root, said=said)
    assert not before.exists(), "nothing is written into the old place"
    assert artifacts(root) == {old, new}
    for run in (old, new):
        assert read_run(default_address(root), run).quotas_mib == [1.5, 2.5]
    (line,) = said
    assert "moved or copied" in line and str(root / "mlartifacts") in line and "1 earlier runs" in line
    assert "\n" not in line
    said.clear()
    new_run(root, said=said)
    assert said == [], "once"


def test_a_run_that_had_no_artifact_yet_gets_them_in_the_new_place(before, tmp_path):
    uri = default_address(before)
    client = MlflowClient(tracking_uri=uri)
    run = client.create_run(prepare_store(uri, EXPERIMENT, before)).info.run_id
    root = before.rename(tmp_path / "runs2")
    adopt_artifacts(default_address(root), root, lambda _: None)
    MlflowClient(tracking_uri=default_address(root)).log_text(run, "text", "a.txt")
    assert artifacts(root) == {run} and not before.exists()


def test_a_copy_has_its_own_artifacts(before, tmp_path):
    old = new_run(before)
    root = tmp_path / "copy"
    shutil.copytree(before, root)
    new = new_run(root)
    assert artifacts(root) == {old, new} and artifacts(before) == {old}
    copy = MlflowClient(tracking_uri=default_address(root)).get_run(old)
    assert copy.info.artifact_uri == f"{(root / 'mlartifacts').as_uri()}/{old}/artifacts"
    left = MlflowClient(tracking_uri=default_address(before)).get_run(old)
    assert left.info.artifact_uri.startswith(before.as_uri()), "the original stays as it was"


def test_through_a_link_nothing_is_rewritten(before, tmp_path):
    old = new_run(before)
    link = tmp_path / "link"
    link.symlink_to(before)
    said = []
    new = new_run(link, said=said)
    new_run(before, said=said)
    assert said == [] and {old, new} < artifacts(before)
    uris = {
        run: MlflowClient(tracking_uri=default_address(link)).get_run(run).info.artifact_uri
        for run in (old, new)
    }
    assert all(uri.startswith(before.as_uri()) for uri in uris.values())


def test_a_link_that_is_gone_is_a_move(before, tmp_path):
    link = tmp_path / "link"
    link.symlink_to(before)
    old = new_run(link)
    link.unlink()
    new = new_run(before)
    assert artifacts(before) == {old, new}
    assert read_run(default_address(before), old).quotas_mib == [1.5, 2.5]


def test_other_stores_and_other_places_are_left_alone(before, tmp_path):
    """A store that is named, and artifacts that a user keeps elsewhere."""
    uri, own = default_address(before), tmp_path / "other"
    own.mkdir()
    old = new_run(own, uri)  # tracking.uri=... storage.root=other
    client = MlflowClient(tracking_uri=uri)
    theirs = client.create_experiment("theirs", artifact_location=(tmp_path / "kept").as_uri())
    said = []
    adopt_artifacts(uri, own, said.append)
    adopt_artifacts("http://127.0.0.1:9", before, said.append)
    adopt_artifacts(f"sqlite:///{tmp_path}/none/mlflow.db", tmp_path / "none", said.append)
    assert said == [] and not (tmp_path / "none").exists()
    adopt_artifacts(uri, before, said.append)
    assert said == [], "the other root is still there, and its runs with it"
    assert client.get_run(old).info.artifact_uri.startswith(own.as_uri()), "its files are there"
    assert client.get_experiment(theirs).artifact_location == (tmp_path / "kept").as_uri()


def test_a_file_that_is_no_store_is_left_to_whoever_opens_it(tmp_path):
    (tmp_path / "mlflow.db").write_text("no database " * 100)
    adopt_artifacts(default_address(tmp_path), tmp_path, pytest.fail)


@pytest.mark.parametrize("name", ["a?b", "50%25", "a#b für 100%"])
def test_folders_with_odd_names(before, tmp_path, name):
    root = before.rename(tmp_path / name)
    first = new_run(root)
    moved = root.rename(tmp_path / f"{name} moved?")
    assert new_run(moved) and read_run(default_address(moved), first).quotas_mib == [1.5, 2.5]
    assert sorted(p.name for p in Path(tmp_path).iterdir()) == [moved.name], "nothing lies elsewhere"
