"""The best of a sweep's trials."""

from collections.abc import Mapping
from pathlib import Path
from typing import Any

from profl_ray.errors import unknown_name
from profl_ray.server.ranking import Ranking, standing
from profl_ray.server.run_folder import RunFolder
from profl_ray.tuning.comparison import METHOD, REFERENCE
from profl_ray.tuning.trial_notes import TrialEnd


def best_of(settings: Mapping[str, Mapping[str, Any]], ends: Mapping[str, TrialEnd]) -> str | None:
    """Return the id of the best trial that was trained; the reference method only where there is no other.

    Both by trial id. None if no trial was trained, or none has what is ranked by.
    """
    trained = _trained(ends)
    ranked = [number for number in trained if settings[number].get(METHOD) != REFERENCE] or trained
    scored = [number for number in ranked if ends[number].score is not None]
    # A trial that a scheduler stopped has grown less of the network: its score is not comparable.
    return max(scored, key=lambda n: (ends[n].units_grown, ends[n].ranked), default=None)


def unranked_notice(ranking: Ranking, ends: Mapping[str, TrialEnd], trials: Path) -> str:
    """Say in a line that no trial has what is ranked by, and what they have; empty if one has it.

    trials: the folder of their run folders.
    """
    trained = _trained(ends)
    if not trained or any(ends[number].score is not None for number in trained):
        return ""
    records = RunFolder(trials / trained[0]).read_records()
    return str(unknown_name("evaluation.ranked_by", ranking.name, standing(records) if records else ()))


def _trained(ends: Mapping[str, TrialEnd]) -> list[str]:
    return [number for number, end in ends.items() if end.outcome in ("finished", "stopped")]
