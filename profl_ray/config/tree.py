"""The whole tree: the sections that all rooms know, and the options of every method under its name.

A method declares its options in its own file; so the tree is composed here, above `strategies`, of those in
the registry and of the strategies from outside that a tree names. `strategy.name` and `strategy.plugins` are
therefore read before all other keys.
"""

from collections.abc import Iterable, Mapping, Sequence
from functools import cache
from typing import Any

from pydantic import ValidationError, create_model

from profl_ray.config.scalars import typed
from profl_ray.config.schema import Schema, schema_of
from profl_ray.errors import UserError
from profl_ray.plugins import is_reference
from profl_ray.sections import ExperimentConfig, Section, StrategyConfig

NAMED = ("strategy.name", "model.name", "data.name", "data.split.name")
"""Keys that may name something from outside."""


class ComposedConfig(ExperimentConfig):
    """An experiment with the options of methods; as a message it is composed anew where it arrives."""

    def __reduce__(self) -> tuple[Any, ...]:
        """Pickle by values: the type is made, not imported."""
        return restore, (self.model_dump(),)


def restore(tree: dict[str, Any]) -> ExperimentConfig:
    """Return the experiment of a dumped tree."""
    return experiment_type(strategies_named([tree])).model_validate(tree)


def experiment_type(references: Iterable[str] = (), anew: bool = False) -> type[ExperimentConfig]:
    """Return the type of trees with the options of our strategies and of these from outside.

    The same options give the same type. `anew`: files are read as they are now. Raises UserError for a
    strategy that cannot be had, and for options that cannot be part of the tree.
    """
    # Late: a command that only shows its help need not wait for PyTorch.
    from profl_ray.strategies import STRATEGIES, find_strategy

    options = {name: kind for name, strategy in STRATEGIES.items() if (kind := _own_options(strategy))}
    for reference in references:
        strategy = find_strategy(reference, anew)
        kind = _own_options(strategy)
        if kind is None or options.get(strategy.name) is kind:
            continue
        _check(reference, strategy.name, kind, options)
        options[strategy.name] = kind
    return _composed(tuple(options.items()))


def config_schema() -> Schema:
    """Return the schema of trees with the options of our own strategies."""
    return schema_of(experiment_type())


def strategies_named(trees: Sequence[Mapping[Any, Any]]) -> list[str]:
    """Return the references to strategies from outside in the last trees that have the keys, each once."""
    leaves = schema_of(ExperimentConfig).leaves
    found: dict[str, Any] = {"name": "", "plugins": ()}
    for tree in trees:
        section = tree.get("strategy")
        if isinstance(section, Mapping):
            given = [key for key in found if key in section]
            found |= {key: typed(section[key], leaves[f"strategy.{key}"]) for key in given}
    names = found["plugins"] if isinstance(found["plugins"], list | tuple) else ()
    wanted = [name for name in (found["name"], *names) if isinstance(name, str) and is_reference(name)]
    return list(dict.fromkeys(wanted))


@cache
def _composed(options: tuple[tuple[str, type[Section]], ...]) -> type[ExperimentConfig]:
    slots: dict[str, Any] = {name: (kind, kind()) for name, kind in options}
    strategy = create_model(
        "StrategyConfig", __base__=StrategyConfig, __doc__=StrategyConfig.__doc__, **slots
    )
    whole: dict[str, Any] = {"strategy": (strategy, strategy())}
    return create_model(
        "ExperimentConfig", __base__=ComposedConfig, __doc__=ExperimentConfig.__doc__, **whole
    )


def _own_options(strategy: type) -> type[Section] | None:
    """Return the options that a class declares itself; those of its bases have their place already."""
    kind = vars(strategy).get("Options")
    return kind if isinstance(kind, type) and issubclass(kind, Section) else None


def _check(reference: str, name: str, kind: type[Section], others: Mapping[str, type[Section]]) -> None:
    label = f"strategy.name={reference}"
    if hasattr(StrategyConfig, name) or name in StrategyConfig.model_fields or name in others:
        raise UserError(f"{label}: its options would be strategy.{name}, which is taken: choose another name")
    undocumented = [key for key, field in kind.model_fields.items() if not field.description]
    if undocumented:
        raise UserError(f"{label}: its option {undocumented[0]} has no description, a text below it")
    try:
        kind()
    except ValidationError as error:
        key = ".".join(map(str, error.errors()[0]["loc"]))
        raise UserError(f"{label}: its option {key} needs a default") from None
