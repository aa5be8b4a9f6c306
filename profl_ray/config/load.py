"""Recipes, overrides and YAML: every way to get a configuration tree, and one clear line for bad input.

A recipe is a YAML file with a part of the tree; it may extend another one (`base: NAME`). Layers (base,
recipe, overrides) are merged key by key, lists are replaced. What is wrong is told as a `UserError` that
names the key, the value, what is allowed and the layer that it came from.
"""

import os
import re
from collections.abc import Mapping, Sequence
from functools import reduce
from pathlib import Path
from typing import Any

from pydantic import ValidationError

from profl_ray.config.addresses import sqlite_address, sqlite_path
from profl_ray.config.experiment import RECIPE_PATTERN, ExperimentConfig
from profl_ray.config.mistakes import Layer, layer_problems, not_a_leaf, value_problems
from profl_ray.config.overriding import override_value
from profl_ray.config.places import is_of_the_place, may_differ
from profl_ray.config.scalars import typed_tree
from profl_ray.config.schema import config_schema, get
from profl_ray.config.words import guessed
from profl_ray.config.yaml_tree import as_text, dump, mapping, read_text, show
from profl_ray.errors import UserError, unknown_name
from profl_ray.names import fitting_name
from profl_ray.secrecy import masked

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
    layers, given = _recipe_layers(recipe, Path(), ()), dict(map(parse_override, overrides))
    if "storage.root" not in given:
        for layer in layers:
            _check_place(layer)
    stem = recipe if recipe in recipe_names() else Path(recipe).stem
    name = Layer("", {"recipe": stem if re.fullmatch(RECIPE_PATTERN, stem) else fitting_name(stem)})
    return _build([name, *layers, _override_layer(given)])


def apply_overrides(
    config: ExperimentConfig, overrides: Mapping[str, Any], label: str = OVERRIDE
) -> ExperimentConfig:
    """Return `config` with the values of dotted keys replaced, validated as a whole.

    label: the words, in errors, for where the values come from; empty: none.
    """
    return _build([Layer("", config.model_dump()), _override_layer(overrides, label)])


def to_yaml(config: ExperimentConfig) -> str:
    """Return the resolved tree as YAML; `from_yaml` reads it back to an equal one."""
    return dump(config.model_dump(mode="json"))


def from_yaml(text: str, source: str = "configuration") -> ExperimentConfig:
    """Return the experiment of a YAML tree without `base`; `source` names it in errors (UserError)."""
    return _build([Layer(f"in {source}", typed_tree(mapping(text, source)))])


def flatten(config: ExperimentConfig) -> dict[str, str]:
    """Return every leaf as text by its dotted key: {"model.partition": "[2,2]", ...}."""
    tree = config.model_dump(mode="json")
    return {key: as_text(get(tree, key)) for key in config_schema().leaves}


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
    named = [parse_override(override)[0] for override in overrides]
    for key in ("recipe", *named):
        if before[key] != now[key] and not may_differ(key):
            raise UserError(
                f"{where}: the run was begun with {key}={before[key]} and keeps it; "
                f"{key}={now[key]} needs a new run"
            )
    tree = asked.model_dump()
    taken = {key: get(tree, key) for key in ("storage.root", *named) if before[key] != now[key]}
    if asked.tracking.uri or os.environ.get(TRACKING_VARIABLE):
        taken["tracking.uri"] = asked.tracking.uri
    elif begun.tracking.uri:
        taken["tracking.uri"] = _moved(begun.tracking.uri, begun.storage.root, asked.storage.root)
    return apply_overrides(begun, taken, label="")


def in_place_of(config: ExperimentConfig, now: ExperimentConfig) -> ExperimentConfig:
    """Return the experiment of `config` with the facts of the place of `now`."""
    tree = now.model_dump()
    of_the_place = {key: get(tree, key) for key in config_schema().leaves if is_of_the_place(key)}
    return apply_overrides(config, of_the_place, label="")


def _moved(uri: str, before: Path, now: Path) -> str:
    """Return a tracking address in the present place: a file in the storage root moves with it."""
    path = sqlite_path(uri)
    if path is None or not path.is_relative_to(before) or before == now:
        return uri
    return sqlite_address(now / path.relative_to(before))


def _recipe_layers(recipe: str, folder: Path, chain: tuple[str, ...]) -> list[Layer]:
    """Return the recipe's layers, base first; `folder` is where relative paths start."""
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
    return [*layers, Layer(label, typed_tree(tree))]


def _check_place(layer: Layer) -> None:
    """Refuse a recipe, which may be a stranger's, that writes elsewhere than below the working folder."""
    storage = layer.tree.get("storage")
    root = storage.get("root") if isinstance(storage, Mapping) else None
    if isinstance(root, str) and (root.startswith(("/", "~")) or ".." in Path(root).parts):
        raise UserError(
            f"storage.root={show(root)}: a recipe may only name a folder below the working folder; "
            f"give another place on the command line, storage.root=... ({layer.label})"
        )


def parse_override(text: str) -> tuple[str, Any]:
    """Return key and value of `dotted.key=value`, the value as the key's type has it (`override_value`).

    Raises UserError if it is something else.
    """
    key, equals, value = text.partition("=")
    key = key.strip()
    if not equals or not key:
        raise UserError(f"override {show(text)!r}: must be dotted.key=value")
    return key, override_value(value, config_schema().leaves.get(key), f"override {show(text)!r}")


def _override_layer(values: Mapping[str, Any], label: str = OVERRIDE) -> Layer:
    """Return dotted keys as a tree; a key that names no leaf is a UserError."""
    schema = config_schema()
    tree: dict[str, Any] = {}
    problems = []
    for key, value in values.items():
        if key not in schema.leaves:
            problems.append(not_a_leaf(str(key), value, label))
            continue
        *sections, name = key.split(".")
        reduce(lambda part, section: part.setdefault(section, {}), sections, tree)[name] = value
    if problems:
        raise UserError("; ".join(problems))
    return Layer(label, tree)


def _build(layers: Sequence[Layer]) -> ExperimentConfig:
    problems = [problem for layer in layers for problem in layer_problems(layer.tree, layer.label)]
    if not problems:
        try:
            return _without_password(
                ExperimentConfig.model_validate(reduce(_merge, [layer.tree for layer in layers]))
            )
        except ValidationError as error:
            problems = list(value_problems(error, layers))
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
