"""What a key of the configuration names, ours or from outside, by the registry of its kind."""

from collections.abc import Callable

from profl_ray.federation.data_sets import find_data_set
from profl_ray.federation.partitioners import find_partitioner
from profl_ray.models import find_family
from profl_ray.strategies import find_strategy

_FIND: dict[str, Callable[[str], object]] = {
    "strategy.name": find_strategy,
    "model.name": find_family,
    "data.name": find_data_set,
    "data.split.name": find_partitioner,
}


def find_named(key: str, name: str) -> None:
    """Raise UserError if there is no such thing, or if it is of another kind than the key takes."""
    _FIND[key](name)
