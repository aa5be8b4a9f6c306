"""The trials of a sweep before it begins: which settings, under which ids."""

from typing import Any

from profl_ray.tuning.space import Search, SearchSpace, decode


def planned_settings(
    space: SearchSpace, search: Search, num_samples: int | None, seed: int
) -> list[dict[str, Any]] | None:
    """Return the settings of all trials, as Tune's own generator draws them from this seed.

    None for Optuna, which names them one after another.
    """
    # Late: they bring Ray.
    from ray.tune.search.sample import _BackwardsCompatibleNumpyRng
    from ray.tune.search.variant_generator import generate_variants

    from profl_ray.tuning.search import RANDOM_STATES, param_space

    if search == "optuna":
        return None
    spec = {"config": param_space(space, search)}
    draws = _BackwardsCompatibleNumpyRng(seed % RANDOM_STATES)
    samples = (generate_variants(spec, random_state=draws) for _ in range(num_samples or 1))
    return [decode(variant["config"]) for sample in samples for _, variant in sample]


def trial_id(index: int) -> str:
    """Return the id of a sweep's trial: the name of its run folder."""
    return f"{index:05d}"
