"""Reads sweeps and runs back from MLflow as plain data."""

import contextlib
import json
import tempfile
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from profl_ray.config.addresses import sqlite_path
from profl_ray.errors import UserError, unknown_name
from profl_ray.secrecy import masked
from profl_ray.tracking.client import check_scheme, open_client, reason
from profl_ray.tracking.data import QUOTAS_PATH, SweepData, TrialData
from profl_ray.tracking.opening import EVERY_ROUNDS_METRIC, KIND_TAG
from profl_ray.tracking.records_file import RECORDS_PATH, read_records

__all__ = ["SweepData", "TrialData", "read_sweep", "read_trial"]

_PAGE = 200


def read_sweep(uri: str, experiment: str, sweep: str | None = None) -> SweepData:
    """Return the sweep with that name or run id, else the newest one of the experiment.

    A run outside a sweep counts as a sweep of one trial; without `sweep` it is taken only where the
    experiment holds no sweep. Raises UserError if there is no such store, experiment or sweep.
    """
    with user_errors(uri):
        client = open_store(uri)
        found = client.get_experiment_by_name(experiment)
        if found is None:
            names = [entry.name for entry in client.search_experiments()]
            raise unknown_name("MLflow experiment (tracking.experiment)", experiment, names)
        parent = choose_parent(client, found.experiment_id, experiment, sweep)
        return _sweep(client, parent, experiment, uri)


@contextlib.contextmanager
def user_errors(uri: str) -> Iterator[None]:
    """Say in one line that MLflow cannot be read, whatever error of its libraries it was."""
    try:
        yield
    except UserError:
        raise
    except Exception as error:
        raise UserError(f"cannot read from MLflow at {masked(uri)}: {reason(error)}") from error


def open_store(uri: str) -> Any:
    """Return a client for an existing store; UserError if there is none."""
    path = sqlite_path(check_scheme(uri))
    # MLflow would create the file, with all its tables, only to find nothing in it.
    if path is not None and not path.is_file():
        raise UserError(
            f"no MLflow store at {masked(uri)}: nothing was recorded there yet, or the address is wrong"
        )
    return open_client(uri)


def choose_parent(client: Any, experiment_id: str, experiment: str, sweep: str | None) -> Any:
    """Return the run of the sweep (or of the single run) with that name or id, else of the newest one."""
    sweeps = _search(client, experiment_id, f"tags.`{KIND_TAG}` = 'sweep'")
    runs = _search(client, experiment_id, f"tags.`{KIND_TAG}` = 'run'")
    candidates = sweeps + runs
    if not candidates:
        raise UserError(f"MLflow experiment {experiment!r} holds no sweep and no run yet")
    if sweep is None:
        return candidates[0]
    for run in candidates:
        if sweep in (run.info.run_id, run.info.run_name):
            return run
    raise unknown_name(
        f"sweep in experiment {experiment!r}", sweep, {run.info.run_name for run in candidates}
    )


def _search(client: Any, experiment_id: str, condition: str) -> list[Any]:
    """Return all runs that meet `condition`, the newest first."""
    found: list[Any] = []
    token = None
    while True:
        page = client.search_runs(
            [experiment_id], condition, max_results=_PAGE, order_by=["start_time DESC"], page_token=token
        )
        found += page
        token = page.token
        if not token:
            return found


def search_trials(client: Any, parent: Any) -> list[Any]:
    """Return the runs of a sweep's trials in the order of their start; a single run is its own trial."""
    if parent.data.tags.get(KIND_TAG) != "sweep":
        return [parent]
    condition = f"tags.`mlflow.parentRunId` = '{parent.info.run_id}'"
    return list(reversed(_search(client, parent.info.experiment_id, condition)))


def _sweep(client: Any, parent: Any, experiment: str, uri: str) -> SweepData:
    trials = [read_trial(client, run) for run in search_trials(client, parent)]
    return SweepData(
        run_id=parent.info.run_id,
        name=parent.info.run_name or "",
        status=parent.info.status,
        # The first paragraph: an ended sweep's results follow it there, for MLflow's page.
        description=parent.data.tags.get("mlflow.note.content", "").partition("\n\n")[0],
        params=dict(parent.data.params),
        tags=dict(parent.data.tags),
        trials=[trial for trial in trials if not trial.unreadable],
        experiment=experiment,
        uri=uri,
        unread=[trial for trial in trials if trial.unreadable],
    )


def read_trial(client: Any, run: Any) -> TrialData:
    """Return a run with its rounds; where they cannot be read, with the reason."""
    run_id, records, why = run.info.run_id, [], ""
    # A trial that was never trained has no rounds.
    if EVERY_ROUNDS_METRIC in run.data.metrics:
        try:
            records = read_records(_artifact(client, run_id, RECORDS_PATH))
        except UserError as error:
            why = reason(error)
    return TrialData(
        run_id=run_id,
        name=run.info.run_name or "",
        status=run.info.status,
        params=dict(run.data.params),
        summary=dict(run.data.metrics),
        tags=dict(run.data.tags),
        quotas_mib=_quotas(client, run_id),
        records=records,
        unreadable=why,
    )


def _quotas(client: Any, run_id: str) -> list[float]:
    try:
        return [float(quota) for quota in json.loads(_artifact(client, run_id, QUOTAS_PATH))]
    except (ValueError, TypeError):  # A UserError, too.
        return []  # The report does without them then.


def _artifact(client: Any, run_id: str, path: str) -> str:
    """Return a text artifact; UserError if the run has none, or it lies where this machine cannot read."""
    folder = path.rpartition("/")[0] or None
    try:
        if not any(entry.path == path for entry in client.list_artifacts(run_id, folder)):
            raise UserError(f"no artifact {path}")
        with tempfile.TemporaryDirectory() as scratch:
            return Path(client.download_artifacts(run_id, path, scratch)).read_text()
    except UserError:
        raise
    except Exception as error:
        # Every artifact store has a library of its own, which may not even be installed here.
        raise UserError(f"artifact {path} cannot be read: {reason(error)}") from error
