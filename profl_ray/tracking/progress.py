"""How a sweep stands while it runs: the last point of every trial, without its history."""

import time
from dataclasses import dataclass
from typing import Any

from profl_ray.errors import unknown_name
from profl_ray.tracking.data import OUTCOME_TAG, REASON_TAG
from profl_ray.tracking.points import STEP_TAG
from profl_ray.tracking.reader import choose_parent, open_store, search_trials, user_errors

_STATES = {
    "FINISHED": "finished",
    "FAILED": "failed",
    "KILLED": "stopped",
    "RUNNING": "running",
    "SCHEDULED": "waiting",
}


@dataclass(frozen=True)
class TrialProgress:
    """A trial as it stands."""

    name: str
    state: str
    """running, waiting, finished, failed, stopped, or what became of it otherwise, such as n/a."""
    rounds: int
    step: str
    """Such as `grow 2`; empty before the first round."""
    accuracy: float | None
    """Of the last evaluation."""
    need_mib: float | None
    silent_seconds: float | None
    """Since its last point; None before the first."""
    reason: str = ""
    """Why it failed or is n/a."""


@dataclass(frozen=True)
class SweepProgress:
    """A sweep as it stands; a single run counts as a sweep of one trial."""

    name: str
    state: str
    trials: list[TrialProgress]

    @property
    def ended(self) -> bool:
        """Whether nothing more will come."""
        return self.state not in ("running", "waiting")


def read_progress(uri: str, experiment: str, sweep: str | None = None) -> SweepProgress:
    """Return how the sweep with that name or run id stands, else the newest one.

    Raises UserError if there is no such store, experiment or sweep.
    """
    with user_errors(uri):
        client = open_store(uri)
        found = client.get_experiment_by_name(experiment)
        if found is None:
            names = [entry.name for entry in client.search_experiments()]
            raise unknown_name("MLflow experiment (tracking.experiment)", experiment, names)
        parent = choose_parent(client, found.experiment_id, experiment, sweep)
        trials = [_trial(client, run) for run in search_trials(client, parent)]
        return SweepProgress(parent.info.run_name or "", _STATES.get(parent.info.status, "running"), trials)


def _trial(client: Any, run: Any) -> TrialProgress:
    values = run.data.metrics
    # Every round has it, and it is the shortest way to the number of the last round.
    points = client.get_metric_history(run.info.run_id, "step_index") if "step_index" in values else []
    last = max(points, key=lambda point: point.step, default=None)
    state = run.data.tags.get(OUTCOME_TAG) or _STATES.get(run.info.status, "running")
    return TrialProgress(
        name=run.info.run_name or "",
        state=state,
        rounds=last.step if last else 0,
        step=run.data.tags.get(STEP_TAG, ""),
        accuracy=values.get("test_accuracy"),
        need_mib=values.get("need_mib"),
        silent_seconds=time.time() - last.timestamp / 1000 if last else None,
        reason=run.data.tags.get(REASON_TAG, "") if state in ("failed", "n/a") else "",
    )
