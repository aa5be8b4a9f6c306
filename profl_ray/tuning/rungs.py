"""Asynchronous successive halving whose rungs are what has been grown.

Tune's own ASHA also enters a trial into the lower rungs that it skipped, with a later accuracy: a trial that
grew four units at once would there be compared with one that has grown a single unit. Here a trial is
compared at the end of a growing step, with those that have grown just as many units, and nowhere else.

Tune forgets a scheduler when a sweep is resumed; the rungs are read again from the trials' records.
"""

from pathlib import Path
from typing import Any

from ray.tune.experiment import Trial
from ray.tune.schedulers import FIFOScheduler, TrialScheduler

from profl_ray.server.run_folder import RunFolder
from profl_ray.tuning.trial import METRIC, TIME, accuracy_of_growth


class GrownRungs(FIFOScheduler):
    """Stops a trial that is not among the best 1 / `reduction_factor` of those at its rung so far."""

    def __init__(self, trials: Path, reduction_factor: int = 2) -> None:
        """Follow the trials whose run folders are, or will be, in `trials`, named after the trial's id."""
        super().__init__()
        self.trials = trials
        self.reduction_factor = reduction_factor
        self.recalled = False
        self.rungs: dict[int, dict[str, float]] = {}
        """By grown units: accuracy of each trial that grew just so many, by trial id."""
        self.grown: dict[str, int] = {}

    def on_trial_result(self, tune_controller: Any, trial: Trial, result: dict[str, Any]) -> str:
        """Judge a trial that has ended a growing step; let all others go on."""
        if not self.recalled:
            self._recall(but=trial.trial_id)
        units = int(result[TIME])
        if units <= self.grown.get(trial.trial_id, 0):
            return TrialScheduler.CONTINUE
        self.grown[trial.trial_id] = units
        rung = self.rungs.setdefault(units, {})
        rung[trial.trial_id] = float(result[METRIC])
        num_kept = -(-len(rung) // self.reduction_factor)  # rounded up: the first to come goes on
        worst_kept = sorted(rung.values(), reverse=True)[num_kept - 1]
        return TrialScheduler.CONTINUE if rung[trial.trial_id] >= worst_kept else TrialScheduler.STOP

    def _recall(self, but: str) -> None:
        """Enter what trials reached before the sweep was resumed; `but` is about to be judged itself."""
        self.recalled = True
        for folder in sorted(self.trials.glob("*")):
            for record in RunFolder(folder).read_records():
                accuracy = accuracy_of_growth(record)
                if accuracy is not None and folder.name != but:
                    self.rungs.setdefault(record.units_grown, {})[folder.name] = accuracy
                    self.grown[folder.name] = record.units_grown
