"""MLflow: the only room that imports it, and only once something is written or read."""

from profl_ray.tracking.condition import StoreCondition, health_url, store_condition
from profl_ray.tracking.data import OUTCOME_TAG, QUOTAS_PATH, REASON_TAG, SWEPT, SweepData, TrialData
from profl_ray.tracking.moved import adopt_artifacts
from profl_ray.tracking.null import NullWriter, Writer
from profl_ray.tracking.opening import KIND_TAG, filled_notice, run_state
from profl_ray.tracking.points import Totals
from profl_ray.tracking.progress import SweepProgress, TrialProgress, read_progress
from profl_ray.tracking.reader import read_sweep
from profl_ray.tracking.store import prepare_store, resolve_uri
from profl_ray.tracking.trial_runs import TRIAL_TAG, end_failed, find_trial_run
from profl_ray.tracking.undelivered import Undelivered
from profl_ray.tracking.writer import RunWriter, Status, end_waiting, parent_tags, start_parent

__all__ = [
    "KIND_TAG",
    "OUTCOME_TAG",
    "QUOTAS_PATH",
    "REASON_TAG",
    "SWEPT",
    "TRIAL_TAG",
    "NullWriter",
    "RunWriter",
    "Status",
    "StoreCondition",
    "SweepData",
    "SweepProgress",
    "Totals",
    "TrialData",
    "TrialProgress",
    "Undelivered",
    "Writer",
    "adopt_artifacts",
    "end_failed",
    "end_waiting",
    "filled_notice",
    "find_trial_run",
    "health_url",
    "parent_tags",
    "prepare_store",
    "read_progress",
    "read_sweep",
    "resolve_uri",
    "run_state",
    "start_parent",
    "store_condition",
]
