"""The model families by name. A new family is one file in `families/`."""

from importlib import import_module
from pkgutil import iter_modules

from profl_ray.errors import unknown_name
from profl_ray.models import families
from profl_ray.models.family import Family

FAMILIES: dict[str, Family] = {}
for _file in sorted(module.name for module in iter_modules(families.__path__)):
    FAMILIES |= import_module(f"{families.__name__}.{_file}").FAMILIES


def find_family(name: str) -> Family:
    """Return the family called `name`; UserError names the nearest one otherwise."""
    if name not in FAMILIES:
        raise unknown_name("model", name, FAMILIES)
    return FAMILIES[name]
