"""From a search space to Tune's own words: parameter space, search algorithm, scheduler."""

from pathlib import Path
from typing import Any

from ray import tune
from ray.tune.schedulers import FIFOScheduler

from profl_ray.errors import UserError
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


def search_algorithm(search: Search, seed: int, max_concurrent: int | None = None) -> Any:
    """Return Tune's search algorithm."""
    if search != "optuna":
        # Tune limits the number of trials at the same time only for the other algorithms.
        from ray.tune.search.basic_variant import BasicVariantGenerator

        return BasicVariantGenerator(random_state=seed, max_concurrent=max_concurrent or 0)
    try:
        from ray.tune.search.optuna import OptunaSearch
    except ImportError as error:
        raise UserError(f"--search optuna needs the package optuna ({error})") from error
    return OptunaSearch(metric=METRIC, mode="max", seed=seed)


HALVING_FACTOR = 4


def make_scheduler(scheduler: Scheduler, trials: Path) -> Any:
    """Return Tune's scheduler; `trials` is the folder of the trials' run folders.

    fifo: all trials to their end; asha: the best half at equal numbers of grown units, however the network
    is cut; halving: the best quarter of those that are cut alike, at the end of a step.
    """
    if scheduler == "fifo":
        return FIFOScheduler()
    return (
        GrownRungs(trials) if scheduler == "asha" else GrownRungs(trials, HALVING_FACTOR, same_partition=True)
    )
