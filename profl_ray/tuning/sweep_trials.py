"""The trials of one sweep: what they are, and which of them have ended."""

from pathlib import Path
from typing import Any

from profl_ray.tuning.plan import trial_id
from profl_ray.tuning.trial_notes import Noted, TrialNotes


class SweepTrials:
    """Knows them from what was planned and noted, and from nothing else."""

    def __init__(self, folder: Path, planned: list[dict[str, Any]] | None, num_trials: int) -> None:
        """Look into the sweep's `folder`; planned: settings of all trials; None: a search names them."""
        self.folder = folder
        self.notes = TrialNotes(folder)
        self.planned: dict[str, dict[str, Any]] | None = None
        if planned is not None:
            self.planned = {trial_id(index): settings for index, settings in enumerate(planned)}
        self.num_trials = num_trials if planned is None else len(planned)

    def noted(self) -> Noted:
        """Return what is noted of these trials, and of no others."""
        noted = self.notes.read()
        known = self.settings()
        return Noted(noted.settings, {number: end for number, end in noted.ends.items() if number in known})

    def settings(self) -> dict[str, dict[str, Any]]:
        """Return the settings by trial id, of those that are known."""
        if self.planned is not None:
            return self.planned
        return dict(list(self.notes.read().settings.items())[: self.num_trials])

    def num_final(self) -> int:
        """Return how many have ended for good."""
        return sum(end.final for end in self.noted().ends.values())

    def all_ended(self) -> bool:
        """Whether all have ended for good."""
        return self.num_final() == self.num_trials

    def drawn_anew(self) -> int:
        """Return how many settings a search is still to name after others are known."""
        known = len(self.settings())
        return self.num_trials - known if self.planned is None and known else 0
