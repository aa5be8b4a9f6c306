"""Where Tune gets its trials from: ours, each under an id that it keeps when the sweep is resumed.

Tune's own generators draw while a sweep runs and keep their state in pickles beside it. Here a trial's
settings are noted before it begins, so no state of Tune's is ever needed again.
"""

from collections.abc import Callable, Mapping
from typing import Any

from ray.tune.experiment import Trial
from ray.tune.experiment.config_parser import _create_trial_from_spec, _make_parser
from ray.tune.search import SearchAlgorithm
from ray.tune.search.basic_variant import BasicVariantGenerator

from profl_ray.tuning.plan import trial_id
from profl_ray.tuning.space import decode, encode
from profl_ray.tuning.trial_notes import TrialEnd

Settings = Mapping[str, Any]


class PlannedTrials(BasicVariantGenerator):
    """Trials that are all known; one that waits leaves its place to the next."""

    def __init__(self, trials: Mapping[str, Settings], max_concurrent: int | None = None) -> None:
        """Play `trials`, settings by id, in order, at most so many at the same time."""
        super().__init__(max_concurrent=max_concurrent or 0)
        self.left = dict(trials)
        self._total_samples = len(trials)
        self._spec: dict[str, Any] = {}

    def add_configurations(self, experiments: Any) -> None:
        """Take Tune's description of the experiment."""
        (experiment,) = experiments
        self._spec = experiment.spec

    def next_trial(self) -> Trial | None:
        """Return the next trial, if there is one and a place for it."""
        if self.is_finished() or (self.max_concurrent and len(self._live_trials) >= self.max_concurrent):
            return None
        number = next(iter(self.left))
        self._live_trials.add(number)
        return tune_trial(self._spec, number, self.left.pop(number))

    def is_finished(self) -> bool:
        """Whether no trial is left to be begun."""
        return self._finished or not self.left

    def give_place(self, number: str) -> None:
        """Count the trial no longer among those that run at the same time."""
        self._live_trials.discard(number)

    def save_to_dir(self, dirpath: str, session_str: str = "", **options: Any) -> None:
        """Save nothing: what is left is known from the sweep's own notes."""


class SuggestedTrials(SearchAlgorithm):
    """Trials that a searcher names one after another, from what the earlier ones gave."""

    def __init__(
        self,
        searcher: Any,
        num_trials: int,
        note_begin: Callable[[str, Settings], None],
        begun: Mapping[str, Settings],
        ends: Mapping[str, TrialEnd],
        max_concurrent: int | None = None,
    ) -> None:
        """Continue after the trials `begun`, of which `ends` ended for good.

        searcher: one of Tune's, new, with the settings of `begun` as its points to evaluate first.
        """
        self.searcher = searcher
        self.num_trials = num_trials
        self.note_begin = note_begin
        self.max_concurrent = max_concurrent
        self.num_named = len(begun)
        self.left = {number: settings for number, settings in begun.items() if number not in ends}
        self.live: set[str] = set()
        self._spec: dict[str, Any] = {}
        for number in begun:
            searcher.suggest(number)
        for number, end in ends.items():
            result = None if end.outcome == "failed" else {searcher.metric: end.ranked}
            searcher.on_trial_complete(number, result, error=end.outcome == "failed")

    @property
    def metric(self) -> Any:
        """What is searched for."""
        return self.searcher.metric

    @property
    def total_samples(self) -> int:
        """Trials that Tune gets to see."""
        return len(self.left) + self.num_trials - self.num_named

    def add_configurations(self, experiments: Any) -> None:
        """Take Tune's description of the experiment."""
        (experiment,) = experiments
        self._spec = experiment.spec

    def next_trial(self) -> Trial | None:
        """Return a trial that was begun before, else a new one, if there is a place for it."""
        if self.is_finished() or (self.max_concurrent and len(self.live) >= self.max_concurrent):
            return None
        if self.left:
            number = next(iter(self.left))
            settings = self.left.pop(number)
        else:
            number = trial_id(self.num_named)
            suggested = self.searcher.suggest(number)
            if suggested is None:
                return None
            settings = decode(suggested)
            self.note_begin(number, settings)
            self.num_named += 1
        self.live.add(number)
        return tune_trial(self._spec, number, settings)

    def is_finished(self) -> bool:
        """Whether no trial is left to be begun."""
        return self._finished or (not self.left and self.num_named >= self.num_trials)

    def on_trial_result(self, trial_id: str, result: dict[str, Any]) -> None:
        """Tell the searcher."""
        self.searcher.on_trial_result(trial_id, result)

    def on_trial_complete(
        self, trial_id: str, result: dict[str, Any] | None = None, error: bool = False
    ) -> None:
        """Tell the searcher, and give the place to the next."""
        self.live.discard(trial_id)
        self.searcher.on_trial_complete(trial_id=trial_id, result=result, error=error)


def tune_trial(spec: Mapping[str, Any], number: str, settings: Settings) -> Trial:
    """Return Tune's trial with these settings and this id."""
    config = {key: encode(value) for key, value in settings.items()}
    return _create_trial_from_spec(
        {**spec, "config": config}, _make_parser(), trial_id=number, experiment_tag=number
    )
