"""The model families by name. A new family is one file in `families/`; or it is named where it lies."""

from importlib import import_module
from pkgutil import iter_modules

from profl_ray.errors import UserError, unknown_name
from profl_ray.models import families
from profl_ray.models.family import Family
from profl_ray.plugins import is_reference, load

FAMILIES: dict[str, Family] = {}
for _file in sorted(module.name for module in iter_modules(families.__path__)):
    FAMILIES |= import_module(f"{families.__name__}.{_file}").FAMILIES


def find_family(name: str) -> Family:
    """Return the family called `name`, or that FILE.py:NAME or package.module:NAME names.

    Raises UserError with the nearest one for an unknown name, and for what is no family.
    """
    if is_reference(name):
        return _from_outside(name)
    if name not in FAMILIES:
        raise unknown_name("model", name, FAMILIES)
    return FAMILIES[name]


def _from_outside(reference: str) -> Family:
    found = load(reference, "model.name")
    try:
        family = found() if isinstance(found, type) else found
    except TypeError as error:
        raise UserError(f"model.name={reference}: is a class that needs arguments: {error}") from None
    wanted = [name for name in vars(Family) if not name.startswith("_")]
    missing = [name for name in wanted if not hasattr(family, name)]
    if missing:
        raise UserError(
            f"model.name={reference}: is no model family, it has no {', '.join(missing)} "
            "(profl_ray/models/family.py)"
        )
    result: Family = family
    return result
