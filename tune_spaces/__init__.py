"""Named search spaces: one file each, with a documented function of that name that returns the space."""

from importlib import import_module
from pathlib import Path
from pkgutil import iter_modules

from profl_ray.errors import UserError, unknown_name
from profl_ray.plugins import is_reference, load, mistakes_told
from profl_ray.tuning import SearchSpace


def space_names() -> list[str]:
    """Return the names of all search spaces."""
    return sorted(module.name for module in iter_modules(__path__))


def find_space(name: str) -> SearchSpace:
    """Return the search space called `name`, or that of a file of your own, `./my_space.py`.

    A file has a function of its name, or is named with one: `FILE.py:NAME`. Raises UserError with the nearest
    one for an unknown name, and for what gives no space.
    """
    if name.endswith(".py"):
        name = f"{name}:{Path(name).stem}"
    if not is_reference(name):
        if name not in space_names():
            raise unknown_name("search space", name, space_names())
        space: SearchSpace = getattr(import_module(f"{__name__}.{name}"), name)()
        return space
    make = load(name, "space", anew=True)
    if not callable(make):
        raise UserError(f"space={name}: is no function that returns a SearchSpace")
    with mistakes_told(name, "space"):
        found = make()
    if not isinstance(found, SearchSpace):
        raise UserError(f"space={name}: returns {type(found).__name__}, not a SearchSpace")
    return found
