"""Fills in what MLflow lacks of a run that was played before, from its folder, without playing it on."""

from collections.abc import Sequence
from typing import Any, cast

from profl_ray.config import ExperimentConfig
from profl_ray.config.load import in_place_of
from profl_ray.errors import UserError
from profl_ray.models import find_family
from profl_ray.run.identity import RunIdentity
from profl_ray.run.tracked_run import start_writer
from profl_ray.server.experiment import assemble
from profl_ray.server.record import RoundRecord
from profl_ray.server.run_folder import RunFolder
from profl_ray.server.summary import summarise
from profl_ray.tracking import Status, Totals, run_state
from profl_ray.tracking.artifacts import log_results, log_setup
from profl_ray.tracking.times import round_times_ms


def refill(identity: RunIdentity, now: ExperimentConfig) -> str:
    """See to it that MLflow has all of a run that has ended; return what it still lacks, in a line.

    now: gives the present place. A run that some process still plays is left to that one. What is played is
    left as it is: the folder notes where the run is in MLflow, and nothing else changes. Raises UserError if
    MLflow cannot be used, or the folder cannot be read.
    """
    folder = RunFolder(identity.folder)
    try:
        folder.acquire()
    except UserError:
        return ""  # Its own process tells MLflow.
    try:
        records = folder.read_records()
        if _is_complete(folder, identity, records):
            return ""
        return _fill(folder, identity, in_place_of(folder.config(), now), records)
    finally:
        folder.release()


def _is_complete(folder: RunFolder, identity: RunIdentity, records: Sequence[RoundRecord]) -> bool:
    assert identity.uri is not None
    state = run_state(identity.uri, folder.mlflow_run_ids()[:1], identity.experiment_id)
    if state is None:
        return False
    noted = folder.facts().get("outcome")
    return (
        state.last_round >= len(records)
        and state.parent_run_id == identity.parent_run_id
        and (noted is None or state.status == _status(noted))
    )


def _fill(
    folder: RunFolder, identity: RunIdentity, config: ExperimentConfig, records: Sequence[RoundRecord]
) -> str:
    assert identity.uri is not None
    writer = start_writer(identity, config, folder, [])
    is_empty, totals = writer.last_round == 0, Totals()
    for record, ended_ms in zip(records, round_times_ms(folder.begun_ms, records), strict=True):
        totals = totals.plus(record)
        writer.log_round(record, totals, ended_ms if is_empty else None)
    lacks = ""
    noted = folder.facts().get("outcome")
    try:
        # Last what needs the data: the figures of a run do not depend on whether it is still there.
        experiment = assemble(config)
        noted = noted or _outcome(config, records, experiment.full_need_mib)
        log_setup(writer, experiment, experiment.step_needs(experiment.make_strategy()))
        if records:
            log_results(writer, experiment, records)
    except UserError as error:
        lacks = f"run {writer.run_id} has no tables and figures: {error}"
    noted = noted or _outcome(config, records, None)
    writer.log_summary(noted["metrics"], noted["tags"])
    undelivered = writer.finish(_status(noted), identity.store_patience_seconds)
    return str(undelivered) if undelivered else lacks


def _status(noted: dict[str, Any]) -> Status:
    """Return how a run was left; one that waited does so no more."""
    return cast(Status, "KILLED" if noted["status"] == "SCHEDULED" else noted["status"])


def _outcome(
    config: ExperimentConfig, records: Sequence[RoundRecord], full_need_mib: float | None
) -> dict[str, Any]:
    """Return the outcome of a run that noted none: a kill kept it from that."""
    num_units = sum(find_family(config.model.name).stages)
    finished = bool(records) and records[-1].step_ended and records[-1].units_grown >= num_units
    metrics = summarise(records, full_need_mib, finished) if full_need_mib else {}
    return {"status": "FINISHED" if finished else "KILLED", "metrics": metrics, "tags": {}}
