"""What a sweep left."""

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from profl_ray.tuning.best import best_of
from profl_ray.tuning.sweep_folder import Tracked
from profl_ray.tuning.trial_notes import TrialEnd


@dataclass(frozen=True)
class SweepOutcome:
    """What a sweep left."""

    name: str
    folder: Path
    uri: str | None
    experiment: str
    """MLflow experiment."""
    parent_run_id: str | None
    num_trials: int
    num_failed: int
    best_settings: dict[str, Any]
    best_accuracy: float | None
    rounds_total: int
    """Rounds of all trials' runs."""
    rounds_trained: int
    """Rounds that were trained for them; fewer where they shared some."""

    refusal: str = ""
    """Why the first trial that is n/a cannot be trained."""

    @classmethod
    def of(
        cls,
        settings: Mapping[str, Mapping[str, Any]],
        ends: Mapping[str, TrialEnd],
        name: str,
        folder: Path,
        tracked: Tracked,
        experiment: str,
    ) -> "SweepOutcome":
        """Return the outcome of a sweep whose trials have all ended; settings and ends by trial id."""
        best = best_of(settings, ends)
        return cls(
            name=name,
            folder=folder,
            uri=tracked.uri,
            experiment=experiment,
            parent_run_id=tracked.parent_run_id,
            num_trials=len(ends),
            num_failed=sum(end.outcome == "failed" for end in ends.values()),
            best_settings=dict(settings[best]) if best is not None else {},
            best_accuracy=ends[best].accuracy if best is not None else None,
            rounds_total=sum(end.rounds for end in ends.values()),
            rounds_trained=sum(end.rounds_trained for end in ends.values()),
            refusal=next((end.reason for end in ends.values() if end.outcome == "n/a"), ""),
        )
