"""Opens a run in MLflow: a new one, or one to resume; waits for a store that is away."""

import getpass
import logging
import time
from collections.abc import Callable, Mapping, Sequence
from functools import partial
from typing import Any, NamedTuple, Protocol

from profl_ray import __version__
from profl_ray.errors import UserError
from profl_ray.secrecy import masked
from profl_ray.tracking.client import is_refusal, open_client, reason
from profl_ray.tracking.data import VERSION_TAG
from profl_ray.tracking.params import MAX_PARAM_LENGTH, MAX_TAG_LENGTH, PARAMS_PER_BATCH, cut, safe_key

KIND_TAG = "profl_ray.kind"
"""run, sweep or trial."""
EVERY_ROUNDS_METRIC = "need_mib"
"""A metric that every round has: its steps tell which rounds were logged."""
TRIES = 4
PAUSE_SECONDS = 2.0
"""Between two tries to reach an MLflow that is away."""
_PARENT_TAG = "mlflow.parentRunId"
_log = logging.getLogger(__name__)


class RunState(NamedTuple):
    """How a run in MLflow stands."""

    status: str
    last_round: int
    parent_run_id: str | None


class Opened(NamedTuple):
    """A run that is open."""

    client: Any
    run: Any
    last_round: int
    """The last round that it has."""
    is_new: bool
    """Whether it was created."""
    replaces: str
    """Why none of the runs that are known could be resumed; empty if none was known, or one could."""


def open_run(
    uri: str,
    experiment_id: str,
    name: str,
    params: Mapping[str, str],
    tags: Mapping[str, str],
    parent_run_id: str | None,
    run_id: str | None,
    known: Sequence[str],
    patience_seconds: float,
    begun_ms: int | None,
    new_tags: Mapping[str, str],
) -> Opened:
    """Resume `run_id`, or with the first of the runs `known` that is there, or create one.

    See `RunWriter.start`.
    """
    fresh = {safe_key(key): cut(value, MAX_PARAM_LENGTH) for key, value in params.items()}
    deadline = time.monotonic() + patience_seconds
    found: Any = None
    created: Any = None
    replaces = ""
    while True:
        try:
            client = open_client(uri)
            if created is None:
                ids, wanted_in = ([run_id], "") if run_id else (known, experiment_id)
                found, replaces = find_run(client, ids, wanted_in)
            if run_id and found is None:
                words = f"cannot resume run {run_id} ({replaces} this store)"
                raise UserError(f"tracking.uri={masked(uri)}: {words}")
            if found is not None:
                _resume(client, found, _safe(tags), parent_run_id)
            elif created is None:  # Once, however often the rest is tried.
                all_tags = _safe(_default_tags(parent_run_id) | dict(new_tags) | dict(tags))
                create = partial(client.create_run, experiment_id, begun_ms, all_tags, name)
                created = retried(create)
            run = found or created
            last_round = _last_logged_round(client, run.info.run_id) if found else 0
            _log_params(client, run, fresh)
            return Opened(client, run, last_round, found is None, replaces)
        except UserError:
            raise
        except Exception as error:
            what = f"resume run {run_id or known[0]}" if run_id or known else f"create run {name!r}"
            words = f"tracking.uri={masked(uri)}: cannot {what} ({reason(error)})"
            if is_refusal(error) or time.monotonic() >= deadline:
                raise UserError(words) from error
            _log.warning("%s; trying again", words)
            time.sleep(PAUSE_SECONDS)


def find_run(client: Any, known: Sequence[str], experiment_id: str) -> tuple[Any, str]:
    """Return the first of the runs `known` that can be resumed; None, and why the first one is not it.

    It must be there, not deleted, and in the experiment, if that is named.
    """
    why = ""
    for run_id in known:
        run = retried(partial(_get_run, client, run_id))
        if run is None:
            problem = "is not in"
        elif run.info.lifecycle_stage != "active":
            problem = "was deleted in"
        elif experiment_id and run.info.experiment_id != experiment_id:
            problem = "is in another experiment of"
        else:
            return run, ""
        why = why or f"MLflow run {run_id} {problem}"
    return None, why


class OpenedRun(Protocol):
    """What a writer knows of the run that was opened for it."""

    run_id: str
    is_new: bool
    replaces: str


def filled_notice(writer: OpenedRun, uri: str, what: str) -> str:
    """Say that a new run has `what` was played before; empty if the run is not new."""
    if not writer.is_new:
        return ""
    why = f"{writer.replaces} {masked(uri)}" if writer.replaces else "it was not tracked so far"
    return f"{why}: {what} go to the new run {writer.run_id} of {masked(uri)}"


def run_state(uri: str, known: Sequence[str], experiment_id: str) -> RunState | None:
    """Return the state of the first of these runs that is there; None if none is.

    Nothing is changed. Raises UserError if the store cannot be read.
    """
    try:
        client = open_client(uri)
        run, _ = find_run(client, known, experiment_id)
        if run is None:
            return None
        parent = run.data.tags.get(_PARENT_TAG)
        return RunState(run.info.status, _last_logged_round(client, run.info.run_id), parent)
    except Exception as error:
        # MLflow's, requests' and every driver's own errors.
        raise UserError(f"tracking.uri={masked(uri)}: cannot be read ({reason(error)})") from error


def _get_run(client: Any, run_id: str) -> Any:
    from mlflow.exceptions import MlflowException

    try:
        return client.get_run(run_id)
    except MlflowException as error:
        if error.error_code != "RESOURCE_DOES_NOT_EXIST":
            raise
        return None


def _resume(client: Any, run: Any, tags: Mapping[str, str], parent_run_id: str | None) -> None:
    """Open a run again. Its tags are right; only those that the caller names, and a new parent, are set."""
    if parent_run_id and run.data.tags.get(_PARENT_TAG) != parent_run_id:
        tags = {**tags, _PARENT_TAG: parent_run_id}
    retried(lambda: client.update_run(run.info.run_id, status="RUNNING"))
    retried(lambda: _log_tags(client, run.info.run_id, tags))


def _log_params(client: Any, run: Any, params: Mapping[str, str]) -> None:
    """Log the parameters that the run does not have yet."""
    from mlflow.entities import Param

    pairs = [Param(key, value) for key, value in params.items() if key not in run.data.params]
    for first in range(0, len(pairs), PARAMS_PER_BATCH):
        batch = pairs[first : first + PARAMS_PER_BATCH]
        retried(partial(client.log_batch, run.info.run_id, params=batch))


def _log_tags(client: Any, run_id: str, tags: Mapping[str, str]) -> None:
    from mlflow.entities import RunTag

    if tags:
        client.log_batch(run_id, tags=[RunTag(key, value) for key, value in tags.items()])


def retried(call: Callable[[], Any]) -> Any:
    """Return what `call` returns; a busy SQLite file or a short outage gets some more tries."""
    for attempt in range(TRIES - 1):
        try:
            return call()
        except Exception as error:
            _log.debug("MLflow call failed, trying again: %s", reason(error))
            time.sleep(0.25 * 2**attempt)
    return call()


def _last_logged_round(client: Any, run_id: str) -> int:
    history = retried(lambda: client.get_metric_history(run_id, EVERY_ROUNDS_METRIC))
    return max((metric.step for metric in history), default=0)


def _safe(tags: Mapping[str, str]) -> dict[str, str]:
    return {safe_key(key): cut(value, MAX_TAG_LENGTH) for key, value in tags.items()}


def _default_tags(parent_run_id: str | None) -> dict[str, str]:
    tags = {
        KIND_TAG: "trial" if parent_run_id else "run",
        VERSION_TAG: __version__,
        "mlflow.source.name": "profl-ray",
        "mlflow.source.type": "LOCAL",
        "mlflow.user": _user(),
    }
    return tags | ({_PARENT_TAG: parent_run_id} if parent_run_id else {})


def _user() -> str:
    try:
        return getpass.getuser()
    except (KeyError, OSError):
        # A container may run under a number that has no name.
        return "unknown"
