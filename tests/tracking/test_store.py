import os
import subprocess
import sys
import time
from pathlib import Path

import pytest

from profl_ray.config import ExperimentConfig
from profl_ray.errors import UserError
from profl_ray.tracking import prepare_store, resolve_uri

REPOSITORY = Path(__file__).parents[2]


@pytest.fixture(autouse=True)
def _no_uri_in_environment(monkeypatch):
    monkeypatch.delenv("MLFLOW_TRACKING_URI", raising=False)


def config(**tracking):
    return ExperimentConfig.model_validate({"tracking": tracking, "storage": {"root": "some/runs"}})


def test_the_uri_is_the_configured_one_then_the_environment_then_a_file(monkeypatch):
    assert resolve_uri(config()) == f"sqlite:///{Path.cwd()}/some/runs/mlflow.db"
    monkeypatch.setenv("MLFLOW_TRACKING_URI", "http://mlflow:5000")
    assert resolve_uri(config()) == "http://mlflow:5000"
    assert resolve_uri(config(uri="https://other")) == "https://other"


def test_relative_sqlite_paths_become_absolute():
    assert resolve_uri(config(uri="sqlite:///here.db")) == f"sqlite:///{Path.cwd()}/here.db"


@pytest.mark.parametrize("uri", ["runs/mlflow.db", "file:///tmp/mlruns", "ftp://host"])
def test_an_address_of_another_kind_is_a_user_error(uri):
    with pytest.raises(UserError, match=r"tracking\.uri=.*sqlite:////absolute"):
        resolve_uri(config(uri=uri))


def test_artifacts_lie_in_the_storage_folder(store):
    from mlflow import MlflowClient

    uri, experiment_id, root = store
    location = MlflowClient(tracking_uri=uri).get_experiment(experiment_id).artifact_location
    assert location == (root / "mlartifacts").as_uri()


def test_preparing_again_gives_the_same_experiment(store):
    uri, experiment_id, root = store
    assert prepare_store(uri, "profl-ray", root) == experiment_id


def test_a_deleted_experiment_is_a_user_error(store):
    from mlflow import MlflowClient

    uri, _, root = store
    gone = prepare_store(uri, "gone", root)
    MlflowClient(tracking_uri=uri).delete_experiment(gone)
    with pytest.raises(UserError, match="'gone' was deleted"):
        prepare_store(uri, "gone", root)


def test_a_folder_that_cannot_be_made_is_a_user_error(tmp_path):
    (tmp_path / "file").write_text("")
    with pytest.raises(UserError, match="cannot write there"):
        prepare_store(f"sqlite:///{tmp_path}/file/deeper/mlflow.db", "x", tmp_path)


@pytest.mark.e2e
def test_three_processes_may_prepare_a_fresh_store_at_once(tmp_path):
    code = (
        "import sys; from pathlib import Path; from profl_ray.tracking import prepare_store; "
        "print(prepare_store(sys.argv[1], 'together', Path(sys.argv[2])))"
    )
    command = [sys.executable, "-c", code, f"sqlite:///{tmp_path}/runs/mlflow.db", str(tmp_path)]
    environment = os.environ | {"PYTHONPATH": str(REPOSITORY)}
    processes = [
        subprocess.Popen(
            command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True, cwd=tmp_path, env=environment
        )
        for _ in range(3)
    ]
    answers = [process.communicate(timeout=180) for process in processes]
    assert [process.returncode for process in processes] == [0, 0, 0], answers
    assert len({out for out, _ in answers}) == 1
    assert [err for _, err in answers] == ["", "", ""], "the schema is created quietly"
    assert sorted(entry.name for entry in tmp_path.iterdir()) == ["runs"], (
        "nothing is left in the working folder"
    )


@pytest.mark.parametrize("uri", ["http://127.0.0.1:9", "http://no-such-host.invalid:5000"])
def test_a_dead_server_is_a_quick_user_error_of_one_line(uri, tmp_path):
    before = os.environ.get("MLFLOW_HTTP_REQUEST_MAX_RETRIES")
    started = time.monotonic()
    with pytest.raises(UserError, match=r"tracking\.uri=http.*no MLflow server answers") as error:
        prepare_store(uri, "x", tmp_path)
    assert time.monotonic() - started < 20, "the import of mlflow included"
    assert "\n" not in str(error.value)
    assert os.environ.get("MLFLOW_HTTP_REQUEST_MAX_RETRIES") in (before, "1")


def test_a_silent_server_is_given_up_within_seconds(tmp_path):
    import socket

    with socket.create_server(("127.0.0.1", 0)) as listener:
        started = time.monotonic()
        with pytest.raises(UserError, match="timed out"):
            prepare_store(f"http://127.0.0.1:{listener.getsockname()[1]}", "x", tmp_path)
        assert time.monotonic() - started < 15


def test_importing_the_room_is_cheap():
    code = "import sys, profl_ray.tracking; print({'mlflow', 'matplotlib', 'ray'} & set(sys.modules))"
    out = subprocess.check_output([sys.executable, "-c", code], text=True, cwd=REPOSITORY)
    assert out.strip() == "set()"
