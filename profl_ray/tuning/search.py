"""From a search space to Tune's own words: what a trial reserves, search algorithm, scheduler."""

from collections.abc import Collection, Mapping, Sequence
from pathlib import Path
from typing import Any

from ray import tune
from ray.tune.schedulers import FIFOScheduler

from profl_ray.cluster.resources import run_bundles
from profl_ray.config import ExperimentConfig
from profl_ray.errors import UserError
from profl_ray.server.ranking import Ranking
from profl_ray.tuning.domains import Kind
from profl_ray.tuning.generators import PlannedTrials, Settings, SuggestedTrials
from profl_ray.tuning.halving import StepHalving
from profl_ray.tuning.plan import RANDOM_STATES, param_space
from profl_ray.tuning.space import Choice, Scheduler, SearchSpace, encode
from profl_ray.tuning.trial import METRIC
from profl_ray.tuning.trial_notes import TrialNotes


def placement_group(config: ExperimentConfig) -> tune.PlacementGroupFactory:
    """Return what a trial reserves: a bundle for its driver and one for each client actor that needs any."""
    driver, *clients = run_bundles(config)
    return tune.PlacementGroupFactory([driver, *filter(None, clients)])


def search_algorithm(
    space: SearchSpace,
    trials: Mapping[str, Settings] | None,
    notes: TrialNotes,
    seed: int,
    num_trials: int,
    max_concurrent: int | None = None,
    kind: Kind | None = None,
) -> PlannedTrials | SuggestedTrials:
    """Return what gives Tune the trials that have not ended for good.

    trials: the settings of all trials by id; None: Optuna names them. What it names after a sweep was resumed
    knows the results of before, but is not what it would have named without the break.
    """
    noted = notes.read()
    ends = {number: end for number, end in noted.ends.items() if end.final}
    if trials is not None:
        left = {number: settings for number, settings in trials.items() if number not in ends}
        return PlannedTrials(left, max_concurrent)
    begun = dict(list(noted.settings.items())[:num_trials])
    searcher = _optuna(space, list(begun.values()), seed + len(begun), kind)
    ends = {number: end for number, end in ends.items() if number in begun}
    return SuggestedTrials(searcher, num_trials, notes.note_begin, begun, ends, max_concurrent)


def _optuna(space: SearchSpace, first: Sequence[Settings], seed: int, kind: Kind | None) -> Any:
    """Return Tune's search with Optuna, which names the settings `first` before others."""
    try:
        from ray.tune.search.optuna import OptunaSearch
    except ImportError as error:
        raise UserError(f"--search optuna needs the package optuna ({error})") from error
    points = [
        {
            key: encode(value) if isinstance(space.parameters[key], Choice) else value
            for key, value in settings.items()
        }
        for settings in first
    ]
    searcher = OptunaSearch(points_to_evaluate=points or None, seed=seed % RANDOM_STATES)
    searcher.set_search_properties(METRIC, "max", param_space(space, "optuna", kind))
    return searcher


def make_scheduler(
    scheduler: Scheduler,
    trials: Path,
    search: PlannedTrials | SuggestedTrials,
    max_concurrent: int | None = None,
    failed: Collection[str] = (),
    ranking: Ranking = Ranking(),  # noqa: B008  It is frozen.
) -> Any:
    """Return Tune's scheduler; `trials` is the folder of the trials' run folders.

    failed: ids of trials that had failed for good before the sweep was resumed.
    fifo: all trials to their end; halving: the best of those that are cut alike, at the end of a step, when
    all are there.
    """
    if scheduler == "fifo":
        return FIFOScheduler()
    if isinstance(search, PlannedTrials):
        return StepHalving(
            trials,
            num_trials=len(search.left),
            max_concurrent=max_concurrent,
            give_place=search.give_place,
            failed=failed,
            ranking=ranking,
        )
    return StepHalving(trials, max_concurrent=max_concurrent, failed=failed, ranking=ranking)
