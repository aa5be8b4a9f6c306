"""Recipes, overrides and YAML: every way to get a configuration tree, and one clear line for bad input.

A recipe is a YAML file with a part of the tree; it may extend another one (`base: NAME`). Layers (base,
recipe, overrides) are merged key by key, lists are replaced. What is wrong is told as a `UserError` that
names the key, the value, what is allowed and the layer that it came from.
"""

import os
import re
from collections.abc import Iterable, Mapping, Sequence
from functools import reduce
from pathlib import Path
from typing import Any

from pydantic import ValidationError

from profl_ray.config.addresses import sqlite_address, sqlite_path
from profl_ray.config.mistakes import Layer, layer_problems, not_a_leaf, value_problems
from profl_ray.config.overriding import override_value
from profl_ray.config.places import is_of_the_place, may_differ
from profl_ray.config.scalars import typed_tree
from profl_ray.config.schema import Schema, get, holds, schema_of
from profl_ray.config.tree import NAMED, experiment_type, strategies_named
from profl_ray.config.words import guessed
from profl_ray.config.yaml_tree import dump, mapping
from profl_ray.errors import UserError, unknown_name
from profl_ray.names import fitting_name
from profl_ray.plugins import identity, is_reference, load, use_copies
from profl_ray.secrecy import masked
from profl_ray.sections import ExperimentConfig
from profl_ray.sections.experiment import RECIPE_PATTERN
from profl_ray.texts import as_text, read_text, show

RECIPES_FOLDER = Path(__file__).parent / "recipes"
"""Folder of the named recipes, NAME.yaml."""
OVERRIDE = "in override"
TRACKING_VARIABLE = "MLFLOW_TRACKING_URI"
"""Environment variable: where MLflow is, unless `tracking.uri` says so."""


def recipe_names() -> list[str]:
    """Return the names of the known recipes, sorted."""
    return sorted(path.stem for path in RECIPES_FOLDER.glob("*.yaml"))


def load_experiment(recipe: str, overrides: Sequence[str] = ()) -> ExperimentConfig:
    """Return the experiment of a recipe, a known name or the path of a .yaml file, with overrides on top.

    overrides: `dotted.key=value`, the value as `parse_override` reads it; later ones win. The experiment's
    `recipe` is the name (or the file's stem, made to fit) unless the file says otherwise. Raises UserError
    for everything that a user can fix.
    """
    layers, early = _recipe_layers(recipe, Path(), ()), _early(map(split_override, overrides))
    for layer in layers:
        _check_code(layer)
    # What an option may be, the strategy says that declares it: so the strategies come first.
    named = strategies_named([*(layer.tree for layer in layers), {"strategy": early}])
    kind = experiment_type(named, anew=True)
    schema = schema_of(kind)
    given = dict(parse_override(override, schema) for override in overrides)
    if "storage.root" not in given:
        for layer in layers:
            _check_place(layer)
    stem = recipe if recipe in recipe_names() else Path(recipe).stem
    name = Layer("", {"recipe": stem if re.fullmatch(RECIPE_PATTERN, stem) else fitting_name(stem)})
    read = [layer._replace(tree=typed_tree(layer.tree, schema)) for layer in layers]
    config = _build([name, *read, _override_layer(given, schema)], kind)
    for key, reference in names_from_outside(config).items():
        load(reference, key, anew=not key.startswith("strategy."))
    return config


def apply_overrides(
    config: ExperimentConfig, overrides: Mapping[str, Any], label: str = OVERRIDE
) -> ExperimentConfig:
    """Return `config` with the values of dotted keys replaced, validated as a whole.

    label: the words, in errors, for where the values come from; empty: none.

    Options that the tree has stay in it: a strategy from outside that is replaced goes to `strategy.plugins`.
    """
    replaced, plugins = config.strategy.name, list(config.strategy.plugins)
    if is_reference(replaced) and overrides.get("strategy.name", replaced) != replaced:
        plugins += [replaced] if replaced not in plugins else []
    tree = _merge(config.model_dump(), {"strategy": {"plugins": tuple(plugins)}})
    kind = experiment_type(strategies_named([tree, {"strategy": _early(overrides.items())}]))
    return _build([Layer("", tree), _override_layer(overrides, schema_of(kind), label)], kind)


def to_yaml(config: ExperimentConfig) -> str:
    """Return the resolved tree as YAML; `from_yaml` reads it back to an equal one."""
    return dump(config.model_dump(mode="json"))


def from_yaml(text: str, source: str = "configuration", copies: Path | None = None) -> ExperimentConfig:
    """Return the experiment of a YAML tree without `base`; `source` names it in errors (UserError).

    copies: folder of the plug-ins' files that a run has kept, for those that have left their places.
    """
    tree = mapping(text, source)
    if copies is not None:
        use_copies(_names_in(tree), copies)
    kind = experiment_type(strategies_named([tree]), anew=True)
    return _build([Layer(f"in {source}", typed_tree(tree, schema_of(kind)))], kind)


def flatten(config: ExperimentConfig) -> dict[str, str]:
    """Return every leaf as text by its dotted key: {"model.partition": "[2,2]", ...}."""
    tree = config.model_dump(mode="json")
    return {key: as_text(get(tree, key)) for key in schema_of(type(config)).leaves}


def names_from_outside(config: ExperimentConfig) -> dict[str, str]:
    """Return what of an experiment is not ours: the references to it by their keys."""
    flat = flatten(config)
    found = {key: flat[key] for key in NAMED if is_reference(flat[key])}
    return found | {f"strategy.plugins[{index}]": name for index, name in enumerate(config.strategy.plugins)}


def resumed_config(
    begun: ExperimentConfig, asked: ExperimentConfig, overrides: Sequence[str], where: str
) -> ExperimentConfig:
    """Return the configuration to resume with: the experiment as it was begun, in the present place.

    What may differ stands in `places`. It is taken from `asked` where an override names it; `storage.root`
    always, since the run lies there. It is tracked where the present command says (`asked`, else
    MLFLOW_TRACKING_URI), else at the address of its own configuration. Raises UserError if the recipe or an
    override asks for something else than was begun.
    """
    before, now = flatten(begun), flatten(asked)
    named = [split_override(override)[0] for override in overrides]
    for key in ("recipe", *named):
        if before.get(key) != now[key] and not may_differ(key) and not _only_moved(key, before, now):
            raise UserError(
                f"{where}: the run was begun with {key}={before.get(key, 'no such option')} and keeps it; "
                f"{key}={now[key]} needs a new run"
            )
    tree = asked.model_dump()
    taken = {key: get(tree, key) for key in ("storage.root", *named) if before.get(key) != now[key]}
    if asked.tracking.uri or os.environ.get(TRACKING_VARIABLE):
        taken["tracking.uri"] = asked.tracking.uri
    elif begun.tracking.uri:
        taken["tracking.uri"] = _moved(begun.tracking.uri, begun.storage.root, asked.storage.root)
    return apply_overrides(begun, taken, label="")


def in_place_of(config: ExperimentConfig, now: ExperimentConfig) -> ExperimentConfig:
    """Return the experiment of `config` with the facts of the place of `now`."""
    tree, leaves = now.model_dump(), schema_of(type(now)).leaves
    of_the_place = {key: get(tree, key) for key in leaves if is_of_the_place(key)}
    return apply_overrides(config, of_the_place, label="")


def _moved(uri: str, before: Path, now: Path) -> str:
    """Return a tracking address in the present place: a file in the storage root moves with it."""
    path = sqlite_path(uri)
    if path is None or not path.is_relative_to(before) or before == now:
        return uri
    return sqlite_address(now / path.relative_to(before))


def _names_in(tree: Mapping[Any, Any]) -> Iterable[str]:
    """Yield the names in a tree, not validated yet, that may stand for something from outside."""
    for key in (*NAMED, "strategy.plugins"):
        found = get(tree, key) if holds(tree, key) else ()
        yield from found if isinstance(found, list) else [found] if isinstance(found, str) else ()


def _only_moved(key: str, before: Mapping[str, str], now: Mapping[str, str]) -> bool:
    """Say whether references name the same thing in a file of the same name: its folder is the place's."""
    return key in NAMED and identity(before[key]) == identity(now[key])


def _recipe_layers(recipe: str, folder: Path, chain: tuple[str, ...]) -> list[Layer]:
    """Return the recipe's layers, base first, words as they stand; `folder` is where relative paths start."""
    names = recipe_names()
    if recipe in names:
        path, label = RECIPES_FOLDER / f"{recipe}.yaml", f"in recipe {recipe}"
    elif recipe.lower().endswith((".yaml", ".yml")):
        path, label = folder / recipe, f"in {show(recipe)}"
    else:
        raise UserError(f"{unknown_name('recipe', recipe, names)}; or give the path of a .yaml file")
    try:
        text, identity = read_text(path), str(path.resolve())
    except (OSError, ValueError) as error:
        reason = getattr(error, "strerror", None) or "it is not a text file"
        raise UserError(f"cannot read recipe {show(recipe)}: {reason}") from None
    if identity in chain:
        names_of_chain = [Path(link).stem for link in (*chain[chain.index(identity) :], identity)]
        raise UserError(f"recipes extend each other in a circle: {' -> '.join(names_of_chain)}")
    tree = dict(mapping(text, str(path)))
    layers: list[Layer] = []
    if "base" in tree:
        base = guessed(tree.pop("base"))
        if not isinstance(base, str):
            raise UserError(f"base={show(base)}: must be a recipe's name or path ({label})")
        for below in _recipe_layers(base, path.parent, (*chain, identity)):
            # What a recipe is called and what it shows is its own; it is not inherited.
            layers.append(below._replace(tree=_without(below.tree, "recipe", "description")))
    return [*layers, Layer(label, tree)]


def _check_place(layer: Layer) -> None:
    """Refuse a recipe, which may be a stranger's, that writes elsewhere than below the working folder."""
    root = get(layer.tree, "storage.root") if holds(layer.tree, "storage.root") else None
    if isinstance(root, str) and _leads_away(root):
        raise UserError(
            f"storage.root={show(root)}: a recipe may only name a folder below the working folder; "
            f"give another place on the command line, storage.root=... ({layer.label})"
        )


def _check_code(layer: Layer) -> None:
    """Refuse a recipe that has code executed which lies elsewhere than below the working folder."""
    for name in filter(is_reference, filter(_is_text, _names_in(layer.tree))):
        if _leads_away(name):
            raise UserError(
                f"{show(name)}: a recipe may only name a file below the working folder; "
                f"give another place on the command line ({layer.label})"
            )


def _leads_away(path: str) -> bool:
    return path.startswith(("/", "~")) or ".." in Path(path).parts


def _is_text(value: Any) -> bool:
    return isinstance(value, str)


def split_override(text: str) -> tuple[str, str]:
    """Return key and value of `dotted.key=value` as they stand; UserError if it is something else."""
    key, equals, value = text.partition("=")
    key = key.strip()
    if not equals or not key:
        raise UserError(f"override {show(text)!r}: must be dotted.key=value")
    return key, value


def parse_override(text: str, schema: Schema) -> tuple[str, Any]:
    """Return key and value of `dotted.key=value`, the value as the key's type has it (`override_value`).

    Raises UserError if it is something else.
    """
    key, value = split_override(text)
    return key, override_value(value, schema.leaves.get(key), f"override {show(text)!r}")


def _early(values: Iterable[tuple[str, Any]]) -> dict[str, Any]:
    """Return what dotted keys say about the strategies that are named."""
    leaves = schema_of(ExperimentConfig).leaves
    early = {}
    for key, value in values:
        if key in ("strategy.name", "strategy.plugins"):
            text = isinstance(value, str)
            early[key.partition(".")[2]] = override_value(value, leaves[key], key) if text else value
    return early


def _override_layer(values: Mapping[str, Any], schema: Schema, label: str = OVERRIDE) -> Layer:
    """Return dotted keys as a tree; a key that names no leaf is a UserError."""
    tree: dict[str, Any] = {}
    problems = []
    for key, value in values.items():
        if key not in schema.leaves:
            problems.append(not_a_leaf(str(key), value, label, schema))
            continue
        *sections, name = key.split(".")
        reduce(lambda part, section: part.setdefault(section, {}), sections, tree)[name] = value
    if problems:
        raise UserError("; ".join(problems))
    return Layer(label, tree)


def _build(layers: Sequence[Layer], kind: type[ExperimentConfig]) -> ExperimentConfig:
    schema = schema_of(kind)
    problems = [problem for layer in layers for problem in layer_problems(layer.tree, layer.label, schema)]
    if not problems:
        try:
            return _without_password(kind.model_validate(reduce(_merge, [layer.tree for layer in layers])))
        except ValidationError as error:
            problems = list(value_problems(error, layers, schema))
    raise UserError("; ".join(problems))


def _without_password(config: ExperimentConfig) -> ExperimentConfig:
    """Refuse a password: the configuration is stored with the run, in MLflow, and shown."""
    uri = config.tracking.uri
    if uri is not None and masked(uri) != uri:
        raise UserError(
            f"tracking.uri={masked(uri)}: an address with a password belongs in the environment, "
            "MLFLOW_TRACKING_URI (or leave it to MLFLOW_TRACKING_USERNAME and MLFLOW_TRACKING_PASSWORD)"
        )
    return config


def _merge(below: Mapping[str, Any], above: Mapping[str, Any]) -> dict[str, Any]:
    merged = dict(below)
    for key, value in above.items():
        old = merged.get(key)
        merged[key] = _merge(old, value) if isinstance(old, Mapping) and isinstance(value, Mapping) else value
    return merged


def _without(tree: Mapping[Any, Any], *keys: str) -> dict[Any, Any]:
    return {key: value for key, value in tree.items() if key not in keys}
