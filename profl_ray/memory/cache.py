"""Needs are kept, so that trials of a sweep do not estimate the same step again."""

from dataclasses import asdict
from pathlib import Path
from typing import Any

from profl_ray.facts import KeptFacts
from profl_ray.memory.estimate import Work, estimate_need
from profl_ray.memory.need import Need


class NeedEstimator:
    """Estimates needs, each signature once; `folder` None keeps them in memory alone."""

    def __init__(self, folder: Path | None = None) -> None:
        self.facts = KeptFacts(folder)

    def __call__(self, task: Work) -> Need:
        """Return the need of `task`."""
        return self.facts.get(task.memory_key, lambda: asdict(estimate_need(task.build, task.begin)), _need)


def _need(answer: Any) -> Need:
    return Need(**answer)
