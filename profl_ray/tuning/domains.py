"""What a space's parameters may hold: told before anything is begun, in one line.

A value that its key can never take is a mistake in the space. What only some settings make of it together
(two keys that do not go together, a partition that the model does not have) is a trial's own result: n/a.
"""

import json
import math
from functools import cache, reduce
from typing import Annotated, Any

from pydantic import ConfigDict, TypeAdapter, ValidationError

from profl_ray.config.mistakes import layer_problems, not_a_leaf
from profl_ray.config.schema import allowed_words, branches, schema_of
from profl_ray.config.tree import experiment_type
from profl_ray.errors import UserError
from profl_ray.sections import ExperimentConfig
from profl_ray.texts import show
from profl_ray.tuning.space import Choice, Range, SearchSpace

Kind = type[ExperimentConfig]
"""The type of the trees that a space's trials have: it has the options of their strategies."""
_MOST = 2**63 - 2
"""The largest whole number that can be drawn."""


def check_space(space: SearchSpace, kind: Kind | None = None) -> None:
    """Raise UserError for the first parameter that is unknown, empty, or has what its key never takes.

    kind: of the trials' trees; None: they have the options of our own strategies alone.
    """
    kind = kind or experiment_type()
    for key, domain in space.parameters.items():
        bundled = key in space.bundles
        problem = _bundle_problem(space, key, domain, kind) if bundled else _problem(key, domain, kind)
        if problem:
            raise UserError(f"space {space.name!r}: {problem}")


def takes_whole_numbers(key: str, kind: Kind | None = None) -> bool:
    """Whether the configuration key takes numbers, and only whole ones: ranges over it are drawn so."""
    kinds = _number_kinds(key, kind or experiment_type())
    return "integer" in kinds and "number" not in kinds


def _number_kinds(key: str, kind: Kind) -> set[str]:
    kinds = {str(branch.get("type")) for branch in branches(schema_of(kind).leaves[key])}
    return kinds & {"integer", "number"}


def _bundle_problem(space: SearchSpace, name: str, domain: Choice | Range, kind: Kind) -> str:
    if isinstance(domain, Range):
        return f"{name} is a range, but its choices are names (allowed: {', '.join(space.bundles[name])})"
    if not domain.values:
        return f"{name} is an empty choice (allowed: one value or more)"
    for value in domain.values:
        if not isinstance(value, str) or value not in space.bundles[name]:
            return f"{name}={show(value)}: must be one of {', '.join(space.bundles[name])}"
        for key, setting in space.bundles[name][value].items():
            if problem := _value_problem(key, setting, kind):
                return f"{name}={show(value)}: {problem}"
    return ""


def _problem(key: str, domain: Choice | Range, kind: Kind) -> str:
    if key not in schema_of(kind).leaves:
        return not_a_leaf(key, None, "", schema_of(kind))
    if not isinstance(domain, Choice | Range) or not isinstance(getattr(domain, "values", ()), tuple):
        return f"{key} is {show(repr(domain))} (allowed: Choice.of(...), Range(low, high))"
    if isinstance(domain, Choice):
        if not domain.values:
            return f"{key} is an empty choice (allowed: one value or more)"
        return next(filter(None, (_value_problem(key, value, kind) for value in domain.values)), "")
    return _range_problem(key, domain, kind)


def _range_problem(key: str, domain: Range, kind: Kind) -> str:
    shown = f"{key}=Range({domain.low!r}, {domain.high!r}{', log=True' if domain.log else ''})"
    ends = (domain.low, domain.high)
    if not _number_kinds(key, kind):
        return f"{shown}: the key takes no numbers (allowed: Choice.of(...), {_allowed(key, kind)})"
    if not all(isinstance(end, int | float) and not isinstance(end, bool) for end in ends):
        return f"{shown}: both ends must be numbers"
    if not all(map(math.isfinite, ends)) or not math.isfinite(domain.high - domain.low):
        return f"{shown}: both ends, and their distance, must be finite"
    if domain.low >= domain.high:
        return f"{shown}: low must be below high"
    if domain.log and domain.low <= 0:
        return f"{shown}: low must be above 0, since its logarithm is drawn"
    if takes_whole_numbers(key, kind):
        if any(end != int(end) for end in ends):
            return f"{shown}: both ends must be whole, as {key} is (allowed: {_allowed(key, kind)})"
        if domain.high > _MOST:
            return f"{shown}: high must be at most {_MOST}"
        ends = (int(domain.low), int(domain.high))
    return next(filter(None, (_value_problem(key, end, kind) for end in ends)), "")


def _value_problem(key: str, value: Any, kind: Kind) -> str:
    """Say what is wrong with a value of a key, whatever the other keys are; empty: nothing."""
    schema = schema_of(kind)
    if key not in schema.leaves:
        return not_a_leaf(key, value, "", schema)
    tree = reduce(lambda inner, name: {name: inner}, reversed(key.split(".")), value)
    for problem in layer_problems(tree, "", schema):
        return problem
    try:
        _adapter(key, kind).validate_python(value)
        json.dumps(value)  # So it travels to its trial.
    except (ValidationError, TypeError):
        return f"{key}={show(value)}: must be {_allowed(key, kind)}"
    return ""


def _allowed(key: str, kind: Kind) -> str:
    return allowed_words(schema_of(kind).leaves[key])


@cache
def _adapter(key: str, kind: Kind) -> TypeAdapter[Any]:
    """Return what validates a key alone."""
    *sections, name = key.split(".")
    section: Any = kind
    for part in sections:
        section = section.model_fields[part].annotation
    field = section.model_fields[name]
    annotation = reduce(lambda inner, extra: Annotated[inner, extra], field.metadata, field.annotation)
    return TypeAdapter(annotation, config=ConfigDict(allow_inf_nan=False))
