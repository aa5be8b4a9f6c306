"""What a sweep left."""

from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from profl_ray.tuning.space import decode
from profl_ray.tuning.sweep_folder import Tracked

if TYPE_CHECKING:
    from ray.tune import ResultGrid


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

    @classmethod
    def of(
        cls, results: "ResultGrid", name: str, folder: Path, tracked: Tracked, experiment: str
    ) -> "SweepOutcome":
        """Return the outcome of a sweep whose trials have all ended."""
        # Late: they bring Ray.
        from profl_ray.tuning.best import best_of
        from profl_ray.tuning.trial import METRIC

        trials = [results[index] for index in range(len(results))]
        metrics = [trial.metrics or {} for trial in trials]
        finished = [trial for trial in trials if trial.error is None and (trial.metrics or {}).get("run_id")]
        best = best_of(finished)
        return cls(
            name=name,
            folder=folder,
            uri=tracked.uri,
            experiment=experiment,
            parent_run_id=tracked.parent_run_id,
            num_trials=len(trials),
            num_failed=results.num_errors + sum(bool(values.get("failure")) for values in metrics),
            best_settings=decode(best.config or {}) if best else {},
            best_accuracy=(best.metrics or {})[METRIC] if best else None,
            rounds_total=sum(values.get("round", 0) for values in metrics),
            rounds_trained=sum(values.get("rounds_trained", 0) for values in metrics),
        )
