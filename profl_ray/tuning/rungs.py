"""Asynchronous successive halving whose rungs are what has been grown.

Tune's own ASHA also enters a trial into the lower rungs that it skipped, with a later accuracy: a trial that
grew four units at once would there be compared with one that has grown a single unit. Here a trial is
compared at the end of a growing step, with those that have grown just as many units, and nowhere else.

Tune forgets a scheduler when a sweep is resumed; the rungs are read again from the trials' records.
"""

from pathlib import Path
from typing import Any, NamedTuple

from ray.tune.experiment import Trial
from ray.tune.schedulers import FIFOScheduler, TrialScheduler

from profl_ray.server.run_folder import RunFolder
from profl_ray.tuning.trial import METRIC, SPENT_BYTES, SPENT_ROUNDS, SUB_MODELS, TIME, accuracy_of_growth


class Rung(NamedTuple):
    """Where trials are compared."""

    sub_models: str
    """Digest of what is grown; empty where all trials are compared."""
    units: int


class Score(NamedTuple):
    """What is better is greater: accuracy first, then fewer rounds, then fewer bytes."""

    accuracy: float
    less_rounds: int = 0
    less_bytes: int = 0


class GrownRungs(FIFOScheduler):
    """Stops a trial that is not among the best half of those at its rung so far."""

    same_sub_models = False
    """Compare only trials that grow the same sub-models; others differ at equal units, in output modules."""

    def __init__(self, trials: Path) -> None:
        """Follow the trials whose run folders are, or will be, in `trials`, named after the trial's id."""
        super().__init__()
        self.trials = trials
        self.recalled = False
        self.rungs: dict[Rung, dict[str, Score]] = {}
        """By rung: the score of each trial that came there, by trial id."""
        self.grown: dict[str, int] = {}

    def on_trial_result(self, tune_controller: Any, trial: Trial, result: dict[str, Any]) -> str:
        """Judge a trial that has ended a growing step; let all others continue."""
        if not self.recalled:
            self._recall(but=trial.trial_id)
        units = int(result[TIME])
        if units <= self.grown.get(trial.trial_id, 0):
            return TrialScheduler.CONTINUE
        rung = self._note(trial.trial_id, units, result)
        passes = rung[trial.trial_id] >= worst_kept(rung, factor=2)
        return TrialScheduler.CONTINUE if passes else TrialScheduler.STOP

    def _note(self, trial_id: str, units: int, result: dict[str, Any]) -> dict[str, Score]:
        """Enter a trial by what it reported, and return its rung."""
        spent = -int(result.get(SPENT_ROUNDS, 0)), -int(result.get(SPENT_BYTES, 0))
        return self._enter(
            trial_id, units, str(result.get(SUB_MODELS, "")), Score(float(result[METRIC]), *spent)
        )

    def _enter(self, trial_id: str, units: int, sub_models: str, score: Score) -> dict[str, Score]:
        """Note that a trial has come to a rung, and return all that have."""
        self.grown[trial_id] = units
        rung = self.rungs.setdefault(Rung(sub_models if self.same_sub_models else "", units), {})
        rung[trial_id] = score
        return rung

    def _recall(self, but: str) -> None:
        """Enter what trials reached before the sweep was resumed, but not the last round of `but`.

        That one is about to be judged itself.
        """
        self.recalled = True
        for folder in sorted(self.trials.glob("*")):
            run, spent_bytes = RunFolder(folder), 0
            sub_models = str(run.facts().get("sub_models", "")) if run.exists else ""
            records = run.read_records()
            for record in records[:-1] if folder.name == but else records:
                accuracy = accuracy_of_growth(record)
                spent_bytes += record.uplink_bytes + record.downlink_bytes
                if accuracy is not None:
                    score = Score(accuracy, -record.round, -spent_bytes)
                    self._enter(folder.name, record.units_grown, sub_models, score)


def worst_kept(rung: dict[str, Score], factor: int) -> Score:
    """Return the lowest score among the best 1 / `factor` of a rung."""
    num_kept = -(-len(rung) // factor)  # rounded up: the first to come continues
    return sorted(rung.values(), reverse=True)[num_kept - 1]
