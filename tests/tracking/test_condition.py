"""How a store is: files with each kind of schema, and servers of each kind."""

import json
import sqlite3
import threading
from contextlib import closing
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from importlib.metadata import version
from importlib.util import find_spec
from pathlib import Path

import pytest

from profl_ray.tracking import health_url, prepare_store, store_condition

OURS = version("mlflow")


@pytest.fixture(scope="module")
def revisions():
    """MLflow's schema revisions, the newest first."""
    from alembic.script import ScriptDirectory

    (folder,) = find_spec("mlflow").submodule_search_locations
    scripts = ScriptDirectory(str(Path(folder) / "store" / "db_migrations"))
    return [script.revision for script in scripts.walk_revisions()]


def store(path, *revision):
    with closing(sqlite3.connect(path)) as connection, connection:
        connection.execute("create table alembic_version (version_num varchar(32))")
        connection.executemany("insert into alembic_version values (?)", [revision] if revision else [])
    return f"sqlite:///{path}"


def test_a_file_that_mlflow_made_is_well(tmp_path):
    uri = f"sqlite:///{tmp_path}/mlflow.db"
    prepare_store(uri, "profl-ray", tmp_path)
    before = (tmp_path / "mlflow.db").read_bytes()
    found = store_condition(uri)
    assert found.usable and not found.fix and f"as MLflow {OURS} wants it" in found.state
    assert (tmp_path / "mlflow.db").read_bytes() == before


def test_a_file_that_is_not_there_is_not_made(tmp_path):
    found = store_condition(f"sqlite:///{tmp_path}/deep/mlflow.db")
    assert found.usable and "will be made" in found.state
    assert list(tmp_path.iterdir()) == []


def test_a_file_that_cannot_be_made(tmp_path):
    (tmp_path / "file").touch()
    found = store_condition(f"sqlite:///{tmp_path}/file/mlflow.db")
    assert not found.usable and "is in the way" in found.state


def test_an_older_schema_wants_an_upgrade(tmp_path, revisions):
    found = store_condition(store(tmp_path / "old.db", revisions[3]))
    assert not found.usable and revisions[0] in found.state
    assert found.fix.startswith(f"mlflow db upgrade sqlite:///{tmp_path}/old.db")


def test_the_newest_schema_is_well(tmp_path, revisions):
    assert store_condition(store(tmp_path / "new.db", revisions[0])).fix == ""


def test_a_schema_from_the_future_wants_a_newer_mlflow(tmp_path):
    found = store_condition(store(tmp_path / "future.db", "ffffffffffff"))
    assert not found.usable and found.fix == "pip install --upgrade mlflow"


def test_an_empty_file_gets_its_tables_later(tmp_path):
    (tmp_path / "empty.db").touch()
    found = store_condition(f"sqlite:///{tmp_path}/empty.db")
    assert found.usable and "is empty" in found.state


def test_a_file_that_is_no_database(tmp_path):
    (tmp_path / "text.db").write_text("this is a text, and long enough to be looked at as a database " * 9)
    found = store_condition(f"sqlite:///{tmp_path}/text.db")
    assert not found.usable and "not a database" in found.state


def test_a_driver_that_is_not_installed_hides_the_password():
    found = store_condition("postgresql+nosuchdriver://user:secret@127.0.0.1:9/mlflow")
    assert not found.usable and "secret" not in found.state + found.fix and "user:***@" in found.state


@pytest.fixture
def server():
    """Return a function that starts a server which answers `pages`: path to status and text."""
    running = []

    def start(pages):
        class Handler(BaseHTTPRequestHandler):
            def do_GET(self):
                status, text = pages.get(self.path.partition("?")[0], (404, "{}"))
                self.send_response(status)
                self.send_header("Content-Length", str(len(text)))
                self.end_headers()
                self.wfile.write(text.encode())

            def do_POST(self):
                self.rfile.read(int(self.headers.get("Content-Length", 0)))
                self.do_GET()

            def log_message(self, *_):
                pass

        made = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        running.append(made)
        threading.Thread(target=made.serve_forever, daemon=True).start()
        return f"http://127.0.0.1:{made.server_port}"

    yield start
    for made in running:
        made.shutdown()
        made.server_close()


SEARCH = {"/api/2.0/mlflow/experiments/search": (200, json.dumps({"experiments": []}))}


def pages(number):
    return {"/health": (200, "OK"), "/version": (200, number)} | SEARCH


@pytest.mark.parametrize(
    ("number", "usable", "has_fix"),
    [(OURS, True, False), ("3.1.0", True, True), ("2.22.0", False, True), ("3.999.0", True, False)],
)
def test_a_servers_version_is_compared(server, number, usable, has_fix):
    found = store_condition(server(pages(number)))
    assert (found.usable, bool(found.fix)) == (usable, has_fix), found
    assert number in found.state


def test_a_server_that_hides_its_version_is_a_warning(server):
    found = store_condition(server(pages("3.1.0") | {"/version": (404, "")}))
    assert found.usable and "does not tell its version" in found.state


def test_a_server_that_is_another(server):
    found = store_condition(server({}))
    assert not found.usable and "answers 404" in found.state


def test_a_server_that_refuses_us(server):
    refusing = pages(OURS) | {"/api/2.0/mlflow/experiments/search": (403, "{}")}
    found = store_condition(server(refusing))
    assert not found.usable and "refuses access" in found.state


def test_a_server_that_is_away():
    found = store_condition("http://127.0.0.1:9")
    assert not found.usable and "no MLflow server answers" in found.state and "mlflow server" in found.fix


def test_health_is_asked_without_a_password_below_the_servers_path():
    assert health_url("http://user:secret@host:5000/mlflow/") == "http://host:5000/mlflow/health"
    assert health_url("sqlite:////x/mlflow.db") is None
