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
from profl_ray.tracking.points import ROUND_METRICS
from profl_ray.tracking.writer import KIND_TAG

__all__ = ["SweepData", "TrialData", "read_run", "read_sweep"]

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


def read_run(uri: str, run_id: str) -> TrialData:
    """Return one run. Raises UserError if there is none with that id."""
    with user_errors(uri):
        client = open_store(uri)
        return _trial(client, client.get_run(run_id))


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
    return SweepData(
        run_id=parent.info.run_id,
        name=parent.info.run_name or "",
        status=parent.info.status,
        # The first paragraph: an ended sweep's results follow it there, for MLflow's page.
        description=parent.data.tags.get("mlflow.note.content", "").partition("\n\n")[0],
        params=dict(parent.data.params),
        tags=dict(parent.data.tags),
        trials=[_trial(client, run) for run in search_trials(client, parent)],
        experiment=experiment,
        uri=uri,
    )


def _trial(client: Any, run: Any) -> TrialData:
    run_id = run.info.run_id
    names = [name for name in ROUND_METRICS if name in run.data.metrics]
    return TrialData(
        run_id=run_id,
        name=run.info.run_name or "",
        status=run.info.status,
        params=dict(run.data.params),
        summary=dict(run.data.metrics),
        history={name: _points(client.get_metric_history(run_id, name)) for name in names},
        tags=dict(run.data.tags),
        quotas_mib=_quotas(client, run_id),
    )


def _points(measured: list[Any]) -> list[tuple[int, float]]:
    """Return (round, value) in order; of a round that was done again after a resume, the last value."""
    last = {point.step: point.value for point in sorted(measured, key=lambda point: point.timestamp)}
    return sorted(last.items())


def _quotas(client: Any, run_id: str) -> list[float]:
    from mlflow.exceptions import MlflowException

    try:
        folder = QUOTAS_PATH.rpartition("/")[0]
        if not any(entry.path == QUOTAS_PATH for entry in client.list_artifacts(run_id, folder)):
            return []
        with tempfile.TemporaryDirectory() as scratch:
            local = Path(client.download_artifacts(run_id, QUOTAS_PATH, scratch))
            return [float(quota) for quota in json.loads(local.read_text())]
    except (MlflowException, OSError, ValueError):
        # Artifacts may live where this machine cannot read; the report does without the quotas then.
        return []
