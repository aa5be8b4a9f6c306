"""Where runs are kept: the tracking URI, and a store that is ready before the first trial starts."""

import logging
import os
from collections.abc import Callable
from pathlib import Path
from typing import Any

from profl_ray.config import ExperimentConfig
from profl_ray.config.addresses import default_address, sqlite_address, sqlite_path
from profl_ray.config.load import TRACKING_VARIABLE
from profl_ray.errors import UserError
from profl_ray.secrecy import masked
from profl_ray.tracking.client import check_scheme, impatient, is_http, open_client, reason
from profl_ray.tracking.moved import ARTIFACTS, adopt_artifacts

_LOCK_SECONDS = 120.0
_log = logging.getLogger(__name__)


def resolve_uri(config: ExperimentConfig) -> str:
    """Return the tracking URI: `tracking.uri`, else MLFLOW_TRACKING_URI, else a file in `storage.root`.

    SQLite paths come back absolute, because a trial's working folder is not the user's. Raises UserError for
    an address that MLflow cannot use.
    """
    uri = config.tracking.uri or os.environ.get(TRACKING_VARIABLE)
    if not uri:
        return default_address(config.storage.root)
    path = sqlite_path(check_scheme(uri))
    return uri if path is None else sqlite_address(path)


def prepare_store(
    uri: str, experiment: str, storage_root: Path, say: Callable[[str], object] = _log.warning
) -> str:
    """Make the store at `uri` ready and return the id of `experiment`, which is created if need be.

    Call it once, before any trial opens the store: processes that create the tables of a fresh SQLite file at
    the same time crash, so a file lock lets one at a time. Says in a line if the storage root was moved.
    Raises UserError if a server does not answer within about five seconds or the store cannot be used.
    """
    check_scheme(uri)
    if is_http(uri):
        with impatient():
            return _experiment_id(uri, experiment, artifacts=None)
    path = sqlite_path(uri)
    if path is None:
        return _experiment_id(uri, experiment, artifacts=None)
    from filelock import FileLock, Timeout

    lock = path.with_name(path.name + ".lock")
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        with FileLock(lock, timeout=_LOCK_SECONDS):
            adopt_artifacts(uri, storage_root, say)
            return _experiment_id(uri, experiment, (storage_root.absolute() / ARTIFACTS).as_uri())
    except Timeout:
        raise UserError(
            f"tracking.uri={masked(uri)}: another process has been preparing it for "
            f"{_LOCK_SECONDS:.0f} s ({lock})"
        ) from None
    except OSError as error:
        raise UserError(f"tracking.uri={masked(uri)}: cannot write there ({reason(error)})") from error


def _experiment_id(uri: str, experiment: str, artifacts: str | None) -> str:
    try:
        client = open_client(uri)
        found = client.get_experiment_by_name(experiment)
        if found is None:
            return _create(client, experiment, artifacts)
    except Exception as error:
        # MLflow, SQLAlchemy, requests and the database driver each have their own errors; all of them mean
        # that the address in the configuration cannot be used.
        raise UserError(_unusable(uri, error)) from error
    if found.lifecycle_stage != "active":
        raise UserError(
            f"tracking.experiment={experiment!r} was deleted in MLflow: restore it "
            f"(mlflow experiments restore -x {found.experiment_id}) or choose another name"
        )
    return str(found.experiment_id)


def _create(client: Any, experiment: str, artifacts: str | None) -> str:
    from mlflow.exceptions import MlflowException

    try:
        return str(client.create_experiment(experiment, artifact_location=artifacts))
    except MlflowException as error:
        if error.error_code != "RESOURCE_ALREADY_EXISTS":
            raise
        # Another process was faster, on a server where no file lock reaches.
        return str(client.get_experiment_by_name(experiment).experiment_id)


def _unusable(uri: str, error: Exception) -> str:
    uri = masked(uri)
    if is_http(uri):
        return (
            f"tracking.uri={uri}: no MLflow server answers there; start one (mlflow server), fix the "
            f"address, or leave it out to write to a local file ({_cause(error)})"
        )
    return f"tracking.uri={uri}: MLflow cannot use this store ({reason(error)})"


def _cause(error: Exception) -> str:
    """Say in a few words why a server could not be reached; urllib3's own text is several lines long."""
    text = str(error)
    known = {
        "refused": "connection refused",
        "timed out": "timed out",
        "NameResolution": "unknown host",
        "CERTIFICATE": "certificate not trusted",
    }
    return next((words for sign, words in known.items() if sign in text), reason(error))
