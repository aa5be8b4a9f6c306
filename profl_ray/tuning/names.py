"""What a sweep names from outside the package: found before it begins, and known to all its trials."""

import json
from collections.abc import Iterator, Sequence
from typing import Any

from profl_ray.config.load import split_override
from profl_ray.config.tree import NAMED
from profl_ray.plugins import is_reference, load
from profl_ray.server.named import find_named
from profl_ray.tuning.space import Choice, SearchSpace


def names_in(space: SearchSpace) -> list[tuple[str, str]]:
    """Return what a space names from outside, with the keys that it names it for, each once."""
    found = [(key, value) for key, value in _settings(space) if key in NAMED and isinstance(value, str)]
    return list(dict.fromkeys(pair for pair in found if is_reference(pair[1])))


def check_names(space: SearchSpace, overrides: Sequence[str]) -> list[str]:
    """Find all that a space names from outside; return the override with which the trials' trees know it.

    Raises UserError for the first that cannot be had.
    """
    for key, name in names_in(space):
        load(name, key, anew=True)
        find_named(key, name)
    strategies = [name for key, name in names_in(space) if key == "strategy.name"]
    if not strategies or any(split_override(text)[0] == "strategy.plugins" for text in overrides):
        return []
    return [f"strategy.plugins={json.dumps(strategies)}"]


def _settings(space: SearchSpace) -> Iterator[tuple[str, Any]]:
    """Yield all values of all keys that a space can set."""
    yield from map(split_override, space.overrides)
    for key, domain in space.parameters.items():
        for value in domain.values if isinstance(domain, Choice) else ():
            yield key, value
    for choices in space.bundles.values():
        for settings in choices.values():
            yield from settings.items()
