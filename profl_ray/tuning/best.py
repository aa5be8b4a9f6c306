"""The best of a sweep's trials."""

from collections.abc import Mapping
from typing import Any

from profl_ray.tuning.comparison import METHOD, REFERENCE
from profl_ray.tuning.trial_notes import TrialEnd


def best_of(settings: Mapping[str, Mapping[str, Any]], ends: Mapping[str, TrialEnd]) -> str | None:
    """Return the id of the best trial that was trained; the reference method only where there is no other.

    Both by trial id. None if no trial was trained.
    """
    trained = [number for number, end in ends.items() if end.outcome in ("finished", "stopped")]
    ranked = [number for number in trained if settings[number].get(METHOD) != REFERENCE] or trained
    # A trial that a scheduler stopped has grown less of the network: its accuracy is not comparable.
    return max(ranked, key=lambda n: (ends[n].units_grown, ends[n].accuracy or 0.0), default=None)
