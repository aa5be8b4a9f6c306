"""The trials of a sweep before it begins: which settings, under which ids."""

from typing import Any

from profl_ray.tuning.domains import Kind, takes_whole_numbers
from profl_ray.tuning.space import Choice, Search, SearchSpace, decode, encode

RANDOM_STATES = 2**32
"""Seeds that NumPy's generators take."""


def planned_settings(
    space: SearchSpace, search: Search, num_samples: int | None, seed: int, kind: Kind | None = None
) -> list[dict[str, Any]] | None:
    """Return the settings of all trials, as Tune's own generator draws them from this seed.

    None for Optuna, which names them one after another. kind: as in `check_space`.
    """
    # Late: they bring Ray.
    from ray.tune.search.sample import _BackwardsCompatibleNumpyRng
    from ray.tune.search.variant_generator import generate_variants

    if search == "optuna":
        return None
    spec = {"config": param_space(space, search, kind)}
    draws = _BackwardsCompatibleNumpyRng(seed % RANDOM_STATES)
    samples = (generate_variants(spec, random_state=draws) for _ in range(num_samples or 1))
    return [decode(variant["config"]) for sample in samples for _, variant in sample]


def param_space(space: SearchSpace, search: Search, kind: Kind | None = None) -> dict[str, Any]:
    """Return Tune's parameter space; ranges over keys that take whole numbers draw those, both ends too.

    kind: as in `check_space`.
    """
    from ray import tune  # Late.

    if search == "grid":
        space.grid()  # Refuses ranges.
    domains: dict[str, Any] = {}
    for key, domain in space.parameters.items():
        if isinstance(domain, Choice):
            values = [encode(value) for value in domain.values]
            domains[key] = tune.grid_search(values) if search == "grid" else tune.choice(values)
        elif takes_whole_numbers(key, kind):
            draw = tune.lograndint if domain.log else tune.randint
            domains[key] = draw(int(domain.low), int(domain.high) + 1)
        else:
            draw = tune.loguniform if domain.log else tune.uniform
            domains[key] = draw(domain.low, domain.high)
    return domains


def trial_id(index: int) -> str:
    """Return the id of a sweep's trial: the name of its run folder."""
    return f"{index:05d}"
