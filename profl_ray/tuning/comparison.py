"""A comparison: methods of several papers, each with several seeds, on the same federation.

It is a sweep like any other, over `method` and `seed`. Data split and random streams depend on the seed and
the recipe, quotas on a seed of their own (`federation.quotas.seed`; null: the root seed), none of them on the
method; the cohorts of two methods are equal where the same devices are eligible.
"""

from collections.abc import Sequence
from typing import Any

from profl_ray.config.load import parse_override
from profl_ray.config.schema import schema_of
from profl_ray.config.tree import experiment_type
from profl_ray.errors import UserError, unknown_name
from profl_ray.plugins import is_reference
from profl_ray.strategies import STRATEGIES, find_strategy
from profl_ray.tuning.space import Choice, SearchSpace

METHOD = "method"
METHODS: dict[str, dict[str, Any]] = {
    **{
        variant: {"strategy.name": "fedavg", "strategy.fedavg.variant": variant}
        for variant in ("ideal", "allsmall", "exclusive")
    },
    **{name: {"strategy.name": name} for name in STRATEGIES if name != "fedavg"},
}
"""What is compared, by name: every strategy, FedAvg in its three variants."""
REFERENCE = "ideal"
"""Ignores the quotas: shown for comparison, and never the best."""


def comparison(
    recipe: str, methods: Sequence[str], seeds: Sequence[int], overrides: Sequence[str] = ()
) -> SearchSpace:
    """Return the search space of a comparison.

    overrides: `key=value` for all methods, `method:key=value` for one. A strategy from outside is a method
    under its own name. Raises UserError for an unknown method, and for a method or a seed that is named
    twice.
    """
    for what, given in (("method", methods), ("seed", seeds)):
        if not given or len(set(given)) < len(given):
            raise UserError(f"--{what}s {','.join(map(str, given))!r}: name at least one {what}, each once")
    settings = dict(map(_method, methods))
    if len(settings) < len(methods):
        raise UserError(f"--methods {','.join(methods)!r}: two of them have the same name")
    schema = schema_of(experiment_type(filter(is_reference, methods)))
    common = []
    for override in overrides:
        method, colon, rest = override.partition(":")
        if colon and "=" not in method:
            if method not in settings:
                raise unknown_name("method in front of an override", method, settings)
            key, value = parse_override(rest, schema)
            settings[method][key] = value
        elif override.startswith("seed="):
            raise UserError(f"{override}: a comparison takes its seeds from --seeds")
        else:
            common.append(override)
    return SearchSpace(
        name="compare",
        description=f"{', '.join(settings)} on the same federation",
        recipe=recipe,
        parameters={METHOD: Choice(tuple(settings)), "seed": Choice(tuple(seeds))},
        overrides=tuple(common),
        bundles={METHOD: settings},
    )


def _method(name: str) -> tuple[str, dict[str, Any]]:
    """Return what a method is called and the settings that it stands for."""
    if not is_reference(name):
        if name not in METHODS:
            raise unknown_name("method", name, METHODS)
        return name, dict(METHODS[name])
    strategy = find_strategy(name, anew=True)
    if strategy.name in METHODS:
        raise UserError(f"--methods {name}: is called {strategy.name}, as one of ours: give it another name")
    return strategy.name, {"strategy.name": name}
