"""Step-aware successive halving: trials wait at the ends of steps until all that are cut alike are there.

K. Jamieson and A. Talwalkar, "Non-stochastic Best Arm Identification and Hyperparameter Optimization",
AISTATS 2016, with rungs that are the ends of steps that compare: there, and only there, trials that are cut
alike hold the same sub-model. A trial that waits gives its place to the next; a rung is judged only when none
is left to come. So nothing is trained for trials that merely came early, as asynchronous halving does.
"""

from collections.abc import Callable, Collection, Sequence
from pathlib import Path
from typing import Any, NamedTuple

from ray.tune.experiment import Trial
from ray.tune.schedulers import FIFOScheduler, TrialScheduler

from profl_ray.models import find_family
from profl_ray.server.ranking import Ranking, ends_comparably
from profl_ray.server.run_folder import RunFolder
from profl_ray.tuning.trial import METRIC, SPENT_BYTES, SPENT_ROUNDS, SUB_MODELS, TIME
from profl_ray.tuning.trial_notes import UNRANKED


class Rung(NamedTuple):
    """Where trials are compared."""

    sub_models: str
    """Digest of the sub-models."""
    units: int


class Score(NamedTuple):
    """What is better is greater: what trials are ranked by first, then fewer rounds, then fewer bytes."""

    value: float
    less_rounds: int = 0
    less_bytes: int = 0


class StepHalving(FIFOScheduler):
    """Keeps the best half of the trials at the end of the first step that compares, a third at the end of the
    second, a quarter at the third and so on: a small sub-model tells least of the complete one.

    Ties at the border all stay, since settings that have not mattered yet cannot be told apart.
    """

    def __init__(
        self,
        trials: Path,
        num_trials: int | None = None,
        max_concurrent: int | None = None,
        give_place: Callable[[str], None] = lambda trial_id: None,
        failed: Collection[str] = (),
        ranking: Ranking = Ranking(),  # noqa: B008  It is frozen.
    ) -> None:
        """Follow the trials whose run folders are in `trials`.

        num_trials: how many Tune will get; None: unknown (a search that waits for results), so that a rung
        is judged whenever no trial trains. give_place: told the id of a trial that waits from now on. failed:
        ids of trials that had failed before the sweep was resumed, which Tune does not get.
        """
        super().__init__()
        self.trials = trials
        self.ranking = ranking
        self.recalled = False
        self.rungs: dict[Rung, dict[str, Score]] = {}
        """By rung: the score of each trial that came there, by trial id."""
        self.grown: dict[str, int] = {}
        self.num_trials = num_trials
        self.max_concurrent = max_concurrent
        self.give_place = give_place
        self.failed = frozenset(failed)
        self.added: set[str] = set()
        self.passed: dict[str, int] = {}
        """By trial id: units at the last rung that it may leave."""

    def on_trial_add(self, tune_controller: Any, trial: Trial) -> None:
        """Let a trial of a resumed sweep wait on, if it waited: Tune would start all of them at once.

        Tune adds a trial once more when it failed and is tried again; that one is pending already.
        """
        is_new = trial.trial_id not in self.added
        self.added.add(trial.trial_id)
        if is_new and trial.status == Trial.PENDING and _waits(RunFolder(self.trials / trial.trial_id)):
            trial.set_status(Trial.PAUSED)
            self.give_place(trial.trial_id)

    def on_trial_result(self, tune_controller: Any, trial: Trial, result: dict[str, Any]) -> str:
        """Let a trial wait that has come to the end of a step that compares."""
        units = int(result[TIME])
        if units > self.grown.get(trial.trial_id, 0):
            self._note(trial.trial_id, units, result)
        if self.passed.get(trial.trial_id, 0) >= units:
            return TrialScheduler.CONTINUE
        others = [other for other in tune_controller.get_trials() if other is not trial]
        if self._all_made(len(others) + 1) and all(other.is_finished() for other in others):
            # No trial is left to come: no need to wait for the verdict.
            beaten = self._judge([trial], others)
            return TrialScheduler.STOP if beaten else TrialScheduler.CONTINUE
        self.give_place(trial.trial_id)
        return TrialScheduler.PAUSE

    def choose_trial_to_run(self, tune_controller: Any) -> Trial | None:
        """Return a new trial, or one that waited and may continue; judge the rungs when all wait."""
        if not self.recalled:
            self._recall()
        trials = list(tune_controller.get_trials())
        live = {status: [t for t in trials if t.status == status] for status in _LIVE}
        waiting = live[Trial.PAUSED]
        passed = self._may_continue(waiting)
        if passed and not self._is_full(len(live[Trial.PENDING]) + len(live[Trial.RUNNING])):
            return passed[0]
        if live[Trial.PENDING]:
            return live[Trial.PENDING][0]
        if live[Trial.RUNNING] or not self._all_made(len(trials)):
            return None  # Others can still come to a rung.
        for trial in self._judge(waiting, trials):
            tune_controller.stop_trial(trial)
        return next(iter(self._may_continue(waiting)), None)

    def _note(self, trial_id: str, units: int, result: dict[str, Any]) -> None:
        """Enter a trial by what it reported."""
        spent = -int(result.get(SPENT_ROUNDS, 0)), -int(result.get(SPENT_BYTES, 0))
        self._enter(trial_id, units, str(result.get(SUB_MODELS, "")), Score(float(result[METRIC]), *spent))

    def _enter(self, trial_id: str, units: int, sub_models: str, score: Score) -> None:
        """Note that a trial has come to a rung."""
        self.grown[trial_id] = units
        self.rungs.setdefault(Rung(sub_models, units), {})[trial_id] = score

    def _recall(self) -> None:
        """Enter what trials reached before the sweep was resumed; who is beyond a rung has passed it.

        Tune forgets a scheduler when a sweep is resumed; the rungs are read again from the trials' records.
        """
        self.recalled = True
        for folder in sorted(self.trials.glob("*")):
            run, spent_bytes = RunFolder(folder), 0
            sub_models = str(run.facts().get("sub_models", "")) if run.exists else ""
            records = run.read_records()
            for number, record in enumerate(records, start=1):
                spent_bytes += record.uplink_bytes + record.downlink_bytes
                if ends_comparably(record):
                    value = self.ranking.compared_score(records[:number])
                    score = Score(UNRANKED if value is None else value, -record.round, -spent_bytes)
                    self._enter(folder.name, record.units_grown, sub_models, score)
            if folder.name in self.grown and not ends_comparably(records[-1]):
                self.passed[folder.name] = self.grown[folder.name]

    def _may_continue(self, waiting: Sequence[Trial]) -> list[Trial]:
        passed = [t for t in waiting if self.passed.get(t.trial_id, 0) >= self.grown.get(t.trial_id, 0)]
        return [trial for trial in passed if trial.status == Trial.PAUSED]

    def _judge(self, waiting: Sequence[Trial], others: Sequence[Trial]) -> list[Trial]:
        """Let the best of each rung pass, and return the others of those that wait.

        Trials that failed do not count: the trials that they beat would be missed.
        """
        beaten = []
        by_id = {trial.trial_id: trial for trial in waiting}
        failed = self.failed | {trial.trial_id for trial in others if _failed(trial)}
        for place, rung in self.rungs.items():
            scores = {trial_id: score for trial_id, score in rung.items() if trial_id not in failed}
            here = [
                trial_id for trial_id in scores if trial_id in by_id and self.grown[trial_id] == place.units
            ]
            if not here:
                continue
            lowest = worst_kept(scores, self._factor(place))
            for trial_id in here:
                if scores[trial_id] >= lowest:
                    self.passed[trial_id] = place.units
                else:
                    beaten.append(by_id[trial_id])
        return beaten

    def _factor(self, place: Rung) -> int:
        alike = [other.units for other in self.rungs if other.sub_models == place.sub_models]
        return 1 + sum(units <= place.units for units in alike)

    def _all_made(self, num_made: int) -> bool:
        return self.num_trials is None or num_made >= self.num_trials

    def _is_full(self, num_running: int) -> bool:
        return self.max_concurrent is not None and num_running >= self.max_concurrent


def worst_kept(rung: dict[str, Score], factor: int) -> Score:
    """Return the lowest score among the best 1 / `factor` of a rung."""
    num_kept = -(-len(rung) // factor)  # rounded up: the first to come continues
    return sorted(rung.values(), reverse=True)[num_kept - 1]


def _failed(trial: Trial) -> bool:
    return bool(trial.status == Trial.ERROR or (trial.last_result or {}).get("failure"))


def _waits(run: RunFolder) -> bool:
    """Whether the run's last round ended a step that compares, and others are to come."""
    records = run.read_records()
    if not records or not ends_comparably(records[-1]):
        return False
    return records[-1].units_grown < sum(find_family(run.config().model.name).stages)


_LIVE = (Trial.PENDING, Trial.RUNNING, Trial.PAUSED)
