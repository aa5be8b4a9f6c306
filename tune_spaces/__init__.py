"""Named search spaces: one file each, with a documented function of that name that returns the space."""

from collections.abc import Callable
from importlib import import_module
from pkgutil import iter_modules

from profl_ray.errors import unknown_name
from profl_ray.tuning import SearchSpace


def space_names() -> list[str]:
    """Return the names of all search spaces."""
    return sorted(module.name for module in iter_modules(__path__))


def find_space(name: str) -> SearchSpace:
    """Return the search space called `name`; UserError names the nearest one otherwise."""
    if name not in space_names():
        raise unknown_name("search space", name, space_names())
    make: Callable[[], SearchSpace] = getattr(import_module(f"{__name__}.{name}"), name)
    return make()
