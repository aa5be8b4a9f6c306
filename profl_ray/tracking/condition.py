"""How an MLflow store is: does it answer, and does its schema or its version go with the installed MLflow?

Nothing is written: a store that is not there yet is not made.
"""

import os
from dataclasses import dataclass
from importlib.metadata import version
from importlib.util import find_spec
from pathlib import Path
from typing import TYPE_CHECKING, Literal
from urllib.error import HTTPError, URLError
from urllib.parse import quote, urlsplit
from urllib.request import urlopen

from profl_ray.config.addresses import sqlite_path
from profl_ray.secrecy import masked
from profl_ray.tracking.client import impatient, is_http, open_client, reason

if TYPE_CHECKING:
    from sqlalchemy.engine import URL

_SECONDS = 5.0


@dataclass(frozen=True)
class StoreCondition:
    """What was found of a store."""

    kind: Literal["SQLite file", "database", "server"]
    state: str
    fix: str = ""
    """A command or a setting; empty: nothing is wrong."""
    usable: bool = True
    """Whether runs can be tracked there."""


def store_condition(uri: str) -> StoreCondition:
    """Return the condition of the store at `uri`, as `resolve_uri` gives it; within seconds."""
    if is_http(uri):
        return _server(uri)
    path = sqlite_path(uri)
    if path is None:
        return _database(uri, uri, "database")
    if not path.is_file():
        return _future_file(path)
    if not os.access(path, os.W_OK):
        return StoreCondition("SQLite file", f"{path} cannot be written", f"chmod u+w {path}", usable=False)
    # Read-only: opened otherwise, SQLite might make what is not there.
    from sqlalchemy.engine import URL

    query = {"mode": "ro", "uri": "true"}
    return _database(
        uri, URL.create("sqlite", database=f"file:{quote(str(path))}", query=query), "SQLite file"
    )


def health_url(uri: str) -> str | None:
    """Return what a server can be asked without a password; None for other stores."""
    return _page(uri, "health") if is_http(uri) else None


def _page(uri: str, name: str) -> str:
    parts = urlsplit(uri)
    host = parts.netloc.rpartition("@")[2]
    return f"{parts.scheme}://{host}{parts.path.rstrip('/')}/{name}"


def _future_file(path: Path) -> StoreCondition:
    there = next(parent for parent in path.parents if parent.exists())
    if there.is_dir() and os.access(there, os.W_OK | os.X_OK):
        return StoreCondition("SQLite file", f"{path} will be made at first use (about 10 s)")
    fix = "tracking.uri=sqlite:////FOLDER/mlflow.db with a FOLDER that can be written"
    return StoreCondition("SQLite file", f"{path} cannot be made: {there} is in the way", fix, usable=False)


def _database(uri: str, address: "str | URL", kind: Literal["SQLite file", "database"]) -> StoreCondition:
    from alembic.runtime.migration import MigrationContext
    from alembic.script import ScriptDirectory
    from alembic.util import CommandError
    from sqlalchemy import create_engine, inspect

    shown = masked(uri)
    options = {} if kind == "SQLite file" or uri.startswith("mssql") else {"connect_timeout": 5}
    if "+pg8000" in uri:
        options = {"timeout": 5}
    try:
        engine = create_engine(address, connect_args=options)
        with engine.connect() as connection:
            found = MigrationContext.configure(connection).get_current_revision()
            is_empty = not inspect(connection).get_table_names()
        engine.dispose()
    except Exception as error:
        # SQLAlchemy's and every driver's own errors: all mean that the address cannot be used.
        return StoreCondition(kind, f"{shown} cannot be used: {reason(error)}", _fix(error), usable=False)
    if is_empty:
        return StoreCondition(kind, f"{shown} is empty; its tables will be made at first use")
    package = find_spec("mlflow")
    assert package is not None and package.submodule_search_locations
    scripts = ScriptDirectory(str(Path(package.submodule_search_locations[0]) / "store" / "db_migrations"))
    wanted = scripts.get_current_head()
    if found == wanted:
        return StoreCondition(kind, f"{shown}, schema {found} as MLflow {version('mlflow')} wants it")
    try:
        is_older = found is None or scripts.get_revision(found) is not None
    except CommandError:
        is_older = False
    if is_older:
        state = f"{shown} has schema {found}, MLflow {version('mlflow')} wants {wanted}"
        return StoreCondition(kind, state, f"mlflow db upgrade {shown} (make a copy before)", usable=False)
    state = f"{shown} has schema {found}, which MLflow {version('mlflow')} does not know: a newer one made it"
    return StoreCondition(kind, state, "pip install --upgrade mlflow", usable=False)


def _fix(error: Exception) -> str:
    if isinstance(error, ModuleNotFoundError):
        package = {"psycopg2": "psycopg2-binary", "MySQLdb": "mysqlclient"}.get(error.name or "", error.name)
        return f"pip install {package} (on every node)"
    return "MLFLOW_TRACKING_URI=... with the address of a store that runs, or leave it out for a local file"


def _server(uri: str) -> StoreCondition:
    shown = masked(uri)
    start = "mlflow server --host HOST --port 5000, and tracking.uri=http://HOST:5000"
    try:
        with urlopen(_page(uri, "health"), timeout=_SECONDS):
            pass
    except HTTPError as error:
        if error.code not in (401, 403):
            state = f"{shown}/health answers {error.code}: is that an MLflow server?"
            return StoreCondition("server", state, start, usable=False)
    except (URLError, OSError) as error:
        why = getattr(error, "reason", error)
        return StoreCondition("server", f"no MLflow server answers at {shown} ({why})", start, usable=False)
    theirs, ours = _server_version(uri), version("mlflow")
    try:
        with impatient():
            open_client(uri).search_experiments(max_results=1)
    except Exception as error:
        # MLflow, requests and urllib3 each have their own errors; all mean that it cannot be used.
        fix = "MLFLOW_TRACKING_USERNAME=... MLFLOW_TRACKING_PASSWORD=..., or --allowed-hosts of mlflow server"
        return StoreCondition("server", f"{shown} refuses access: {reason(error)}", fix, usable=False)
    if not theirs:
        return StoreCondition(
            "server", f"{shown} answers, but does not tell its version", f"curl {shown}/version"
        )
    if _numbers(theirs)[:1] != _numbers(ours)[:1]:
        state = f"{shown} is MLflow {theirs}, here is {ours}"
        return StoreCondition("server", state, f"pip install 'mlflow=={theirs}' on every node", usable=False)
    if _numbers(theirs)[:2] < _numbers(ours)[:2]:
        state = f"{shown} is MLflow {theirs}, older than {ours} here"
        return StoreCondition(
            "server", state, f"pip install 'mlflow=={ours}' on the server, or {theirs} here"
        )
    return StoreCondition("server", f"{shown} answers, MLflow {theirs} (here {ours})")


def _server_version(uri: str) -> str:
    """Return the server's version; empty if it does not tell."""
    try:
        with urlopen(_page(uri, "version"), timeout=_SECONDS) as answer:
            text = answer.read(100).decode(errors="replace").strip()
    except (URLError, OSError):
        return ""
    return text if _numbers(text) else ""


def _numbers(text: str) -> list[int]:
    """Return the numbers at the beginning of a version."""
    numbers = []
    for part in text.split("."):
        if not part.isdecimal():
            break
        numbers.append(int(part))
    return numbers
