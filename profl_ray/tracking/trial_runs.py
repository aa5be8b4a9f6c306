"""Runs of a sweep's trials whose processes cannot speak for themselves any more."""

import logging

from profl_ray.tracking.client import impatient, open_client, reason
from profl_ray.tracking.data import REASON_TAG

TRIAL_TAG = "profl_ray.trial"
"""Id of a trial within its sweep: one that is lost as it begins keeps the run that it has."""
_log = logging.getLogger(__name__)


def find_trial_run(uri: str, experiment_id: str, parent_run_id: str, trial_id: str) -> str | None:
    """Return the run of a sweep's trial; None if it has none, or the store does not answer."""
    condition = f"tags.`mlflow.parentRunId` = '{parent_run_id}' and tags.`{TRIAL_TAG}` = '{trial_id}'"
    try:
        with impatient():
            found = open_client(uri).search_runs([experiment_id], condition, max_results=1)
    except Exception as problem:
        # MLflow's and every driver's own errors; the next to open the run waits, and says what is wrong.
        _log.warning("the run of trial %s could not be looked for (%s)", trial_id, reason(problem))
        return None
    return str(found[0].info.run_id) if found else None


def end_failed(uri: str, run_id: str, why: str) -> bool:
    """Mark a run as failed, with the reason if it has none; return False if the store did not take it."""
    try:
        with impatient():  # A sweep's control waits for it.
            client = open_client(uri)
            if not client.get_run(run_id).data.tags.get(REASON_TAG):
                client.set_tag(run_id, REASON_TAG, why)
            client.set_terminated(run_id, "FAILED")
    except Exception as problem:
        _log.warning("run %s could not be marked as failed (%s)", run_id, reason(problem))
        return False
    return True
