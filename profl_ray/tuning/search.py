"""From a search space to Tune's own words: parameter space, search algorithm, scheduler."""

from pathlib import Path
from typing import Any

from ray import tune
from ray.tune.schedulers import FIFOScheduler
from ray.tune.search.basic_variant import BasicVariantGenerator

from profl_ray.config import ExperimentConfig
from profl_ray.errors import UserError
from profl_ray.fleet.resources import run_bundles
from profl_ray.tuning.halving import StepHalving
from profl_ray.tuning.rungs import GrownRungs
from profl_ray.tuning.space import Choice, Scheduler, Search, SearchSpace, encode
from profl_ray.tuning.trial import METRIC


def param_space(space: SearchSpace, search: Search) -> dict[str, Any]:
    """Return Tune's parameter space."""
    if search == "grid":
        space.grid()  # Refuses ranges.
    domains: dict[str, Any] = {}
    for key, domain in space.parameters.items():
        if isinstance(domain, Choice):
            values = [encode(value) for value in domain.values]
            domains[key] = tune.grid_search(values) if search == "grid" else tune.choice(values)
        elif domain.log:
            domains[key] = tune.loguniform(domain.low, domain.high)
        else:
            domains[key] = tune.uniform(domain.low, domain.high)
    return domains


def placement_group(config: ExperimentConfig) -> tune.PlacementGroupFactory:
    """Return what a trial reserves: a bundle for its driver and one for each client actor."""
    return tune.PlacementGroupFactory(run_bundles(config))


class YieldingGenerator(BasicVariantGenerator):
    """Grid or random search in which a trial that waits leaves its place to the next."""

    def give_place(self, trial_id: str) -> None:
        """Count the trial no longer among those that run at the same time."""
        self._live_trials.discard(trial_id)


def search_algorithm(search: Search, seed: int, max_concurrent: int | None = None) -> Any:
    """Return Tune's search algorithm."""
    if search != "optuna":
        # Tune limits the number of trials at the same time only for the other algorithms.
        return YieldingGenerator(random_state=seed, max_concurrent=max_concurrent or 0)
    try:
        from ray.tune.search.optuna import OptunaSearch
    except ImportError as error:
        raise UserError(f"--search optuna needs the package optuna ({error})") from error
    return OptunaSearch(metric=METRIC, mode="max", seed=seed)


def make_scheduler(
    scheduler: Scheduler, trials: Path, search: Any, num_trials: int, max_concurrent: int | None = None
) -> Any:
    """Return Tune's scheduler; `trials` is the folder of the trials' run folders.

    fifo: all trials to their end; asha: the best half at equal numbers of grown units, however the network
    is cut; halving: the best of those that are cut alike, at the end of a step, when all are there.
    """
    if scheduler == "fifo":
        return FIFOScheduler()
    if scheduler == "asha":
        return GrownRungs(trials)
    if isinstance(search, YieldingGenerator):
        return StepHalving(
            trials, num_trials=num_trials, max_concurrent=max_concurrent, give_place=search.give_place
        )
    return StepHalving(trials, max_concurrent=max_concurrent)
