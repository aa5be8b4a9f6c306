"""Recipes, overrides and YAML: every way to get a configuration tree, and one clear line for bad input.

A recipe is a YAML file with a part of the tree; it may extend another one (`base: NAME`). Layers (base,
recipe, overrides) are merged key by key, lists are replaced. What is wrong is told as a `UserError` that
names the key, the value, what is allowed and the layer that it came from.
"""

import json
from collections.abc import Iterator, Mapping, Sequence
from difflib import SequenceMatcher
from functools import cache, reduce
from pathlib import Path
from typing import Any, NamedTuple

import yaml
from pydantic import ValidationError

from profl_ray.config.experiment import ExperimentConfig
from profl_ray.errors import UserError, unknown_name
from profl_ray.secrecy import masked

RECIPES_FOLDER = Path(__file__).parent / "recipes"
"""Folder of the named recipes, NAME.yaml."""
OVERRIDE = "in override"


class Layer(NamedTuple):
    """A part of the tree and the words for where it came from."""

    label: str
    tree: Mapping[Any, Any]


# Public functions -----------------------------------------------------------------------------------------


def recipe_names() -> list[str]:
    """Return the names of the known recipes, sorted."""
    return sorted(path.stem for path in RECIPES_FOLDER.glob("*.yaml"))


def load_experiment(recipe: str, overrides: Sequence[str] = ()) -> ExperimentConfig:
    """Return the experiment of a recipe, a known name or the path of a .yaml file, with overrides on top.

    overrides: `dotted.key=value`, the value in YAML; later ones win. The experiment's `recipe` is the name
    (or the file's stem) unless the file says otherwise. Raises UserError for everything that a user can mend.
    """
    layers = _recipe_layers(recipe, Path(), ())
    name = Layer("", {"recipe": recipe if recipe in recipe_names() else Path(recipe).stem})
    return _build([name, *layers, _override_layer(dict(map(parse_override, overrides)))])


def apply_overrides(config: ExperimentConfig, overrides: Mapping[str, Any]) -> ExperimentConfig:
    """Return `config` with the values of dotted keys replaced (Tune's parameters), validated as a whole."""
    return _build([Layer("", config.model_dump()), _override_layer(overrides)])


def to_yaml(config: ExperimentConfig) -> str:
    """Return the resolved tree as YAML; `from_yaml` reads it back to an equal one."""
    return yaml.safe_dump(config.model_dump(mode="json"), sort_keys=False, width=110)


def from_yaml(text: str, source: str = "configuration") -> ExperimentConfig:
    """Return the experiment of a YAML tree without `base`; `source` names it in errors (UserError)."""
    return _build([Layer(f"in {source}", _mapping(text, source))])


def flatten(config: ExperimentConfig) -> dict[str, str]:
    """Return every leaf by its dotted key: text as it is, the rest as JSON, which is also YAML (`[2, 2]`)."""
    tree, flat = config.model_dump(mode="json"), {}
    for key in _schema().leaves:
        value = _get(tree, key)
        flat[key] = value if isinstance(value, str) else json.dumps(value)
    return flat


def resumed_config(
    begun: ExperimentConfig, asked: ExperimentConfig, overrides: Sequence[str], where: str
) -> ExperimentConfig:
    """Return the configuration to go on with: the one a run was begun with, on the fleet asked for now.

    Raises UserError if the recipe or an override asks for something else than was begun.
    """
    before, now = flatten(begun), flatten(asked)
    for key in ("recipe", *(override.partition("=")[0] for override in overrides)):
        elsewhere = key.startswith("fleet.") and key != "fleet.cohort_groups"
        if before[key] != now[key] and not elsewhere:
            raise UserError(
                f"{where}: the run was begun with {key}={before[key]} and goes on with it; "
                f"{key}={now[key]} needs a new run"
            )
    if any(override.startswith("fleet.") for override in overrides):
        return begun.model_copy(update={"fleet": asked.fleet})
    return begun


# Layers ---------------------------------------------------------------------------------------------------


def _recipe_layers(recipe: str, folder: Path, chain: tuple[str, ...]) -> list[Layer]:
    """Return the recipe's layers, base first; `folder` is where relative paths start."""
    names = recipe_names()
    if recipe in names:
        path, label = RECIPES_FOLDER / f"{recipe}.yaml", f"in recipe {recipe}"
    elif recipe.endswith((".yaml", ".yml")):
        path, label = folder / recipe, f"in {_show(recipe)}"
    else:
        raise UserError(f"{unknown_name('recipe', recipe, names)}; or give the path of a .yaml file")
    try:
        text, identity = path.read_text(encoding="utf-8"), str(path.resolve())
    except (OSError, ValueError) as error:
        reason = getattr(error, "strerror", None) or "it is not a text file"
        raise UserError(f"cannot read recipe {_show(recipe)}: {reason}") from None
    if identity in chain:
        names_of_chain = [Path(link).stem for link in (*chain[chain.index(identity) :], identity)]
        raise UserError(f"recipes extend each other in a circle: {' -> '.join(names_of_chain)}")
    tree = dict(_mapping(text, str(path)))
    _check_place(tree, label)
    layers: list[Layer] = []
    if "base" in tree:
        base = tree.pop("base")
        if not isinstance(base, str):
            raise UserError(f"base={_show(base)}: must be a recipe's name or path ({label})")
        for below in _recipe_layers(base, path.parent, (*chain, identity)):
            # What a recipe is called and what it shows is its own; it is not inherited.
            layers.append(below._replace(tree=_without(below.tree, "recipe", "description")))
    return [*layers, Layer(label, tree)]


def _check_place(tree: Mapping[Any, Any], label: str) -> None:
    """Refuse a recipe, which may be a stranger's, that writes elsewhere than below the working folder."""
    storage = tree.get("storage")
    root = storage.get("root") if isinstance(storage, Mapping) else None
    if isinstance(root, str) and (root.startswith(("/", "~")) or ".." in Path(root).parts):
        raise UserError(
            f"storage.root={_show(root)}: a recipe may only name a folder below the working folder; "
            f"give another place on the command line, storage.root=... ({label})"
        )


def parse_override(text: str) -> tuple[str, Any]:
    """Return key and value of `dotted.key=value`, the value in YAML; UserError if it is something else."""
    key, equals, value = text.partition("=")
    key = key.strip()
    if not equals or not key:
        raise UserError(f"override {_show(text)!r}: must be dotted.key=value")
    return key, _parse(value, f"override {_show(text)!r}", lines=False)


def _override_layer(values: Mapping[str, Any]) -> Layer:
    """Return dotted keys as a tree; a key that names no leaf is a UserError."""
    schema = _schema()
    tree: dict[str, Any] = {}
    problems = []
    for key, value in values.items():
        if key not in schema.leaves:
            problems.append(_not_a_leaf(str(key), value, OVERRIDE))
            continue
        *sections, name = key.split(".")
        reduce(lambda part, section: part.setdefault(section, {}), sections, tree)[name] = value
    if problems:
        raise UserError("; ".join(problems))
    return Layer(OVERRIDE, tree)


def _build(layers: Sequence[Layer]) -> ExperimentConfig:
    problems = [problem for layer in layers for problem in _layer_problems(layer.tree, layer.label)]
    if not problems:
        try:
            return _without_password(
                ExperimentConfig.model_validate(reduce(_merge, [layer.tree for layer in layers]))
            )
        except ValidationError as error:
            problems = list(_value_problems(error, layers))
    raise UserError("; ".join(problems))


def _without_password(config: ExperimentConfig) -> ExperimentConfig:
    """Refuse a password: the configuration is stored with the run, in MLflow, and shown."""
    uri = config.tracking.uri
    if uri is not None and masked(uri) != uri:
        raise UserError(
            f"tracking.uri={masked(uri)}: an address with a password belongs into the environment, "
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


# YAML -----------------------------------------------------------------------------------------------------


class _Loader(yaml.SafeLoader):
    """The safe loader, but a key given twice is an error: the first value would be lost without a word."""

    def construct_mapping(self, node: yaml.MappingNode, deep: bool = False) -> dict[Any, Any]:
        seen: set[tuple[str, str]] = set()
        for key, _ in node.value:
            if isinstance(key, yaml.ScalarNode):
                if (key.tag, key.value) in seen:
                    raise yaml.MarkedYAMLError(
                        None, None, f"key {key.value!r} is given twice", key.start_mark
                    )
                seen.add((key.tag, key.value))
        return super().construct_mapping(node, deep)


def _parse(text: str, source: str, lines: bool = True) -> Any:
    try:
        return yaml.load(text, Loader=_Loader)
    except yaml.MarkedYAMLError as error:
        mark = error.problem_mark or error.context_mark
        where = f"{source}:{mark.line + 1}" if mark and lines else source
        problem = error.problem or error.context or "cannot be read"
        raise UserError(f"{where}: broken YAML: {_one_line(problem)}") from None
    except Exception as error:  # PyYAML's constructors leak whatever they trip over (`!!int x`, 2001-99-99)
        raise UserError(f"{source}: broken YAML: {_one_line(str(error))}") from None


def _mapping(text: str, source: str) -> Mapping[Any, Any]:
    tree = _parse(text, source)
    if tree is None:
        raise UserError(f"{source}: is empty")
    if not isinstance(tree, Mapping):
        raise UserError(f"{source}: must hold sections with keys, not {_show(tree)}")
    return tree


# What is allowed ------------------------------------------------------------------------------------------


class _Schema(NamedTuple):
    leaves: dict[str, dict[str, Any]]
    """JSON schema of every leaf by dotted key."""
    sections: dict[str, list[str]]
    """Names of the keys of every section by dotted key; the whole tree is ''."""


@cache
def _schema() -> _Schema:
    root = ExperimentConfig.model_json_schema()
    schema = _Schema({}, {})

    def walk(prefix: str, section: dict[str, Any]) -> None:
        schema.sections[prefix] = list(section["properties"])
        for name, field in section["properties"].items():
            key = f"{prefix}.{name}" if prefix else name
            if "$ref" in field:
                walk(key, root["$defs"][field["$ref"].rpartition("/")[2]])
            else:
                schema.leaves[key] = field

    walk("", root)
    return schema


def _allowed(schema: Mapping[str, Any]) -> str:
    """Return in words what a leaf's JSON schema allows."""
    if "anyOf" in schema:
        separator = " or " if len(schema["anyOf"]) == 2 else ", or "
        return separator.join(_allowed(branch) for branch in schema["anyOf"])
    if "enum" in schema:
        return f"one of {', '.join(schema['enum'])}"
    if schema["type"] == "array":
        return f"a list, each item {_allowed(schema['items'])}"
    if schema.get("format") == "path":
        return "a path"
    words = {"integer": "an integer", "number": "a number", "boolean": "true or false", "string": "text"}
    bounds = {"exclusiveMinimum": "greater than", "minimum": "at least", "exclusiveMaximum": "below"}
    limits = " and ".join(f"{word} {schema[bound]}" for bound, word in bounds.items() if bound in schema)
    return f"{words.get(schema['type'], schema['type'])} {limits}".rstrip()


def _branches(schema: Mapping[str, Any]) -> list[Mapping[str, Any]]:
    """Return the alternatives of a leaf, null aside."""
    return [branch for branch in schema.get("anyOf", [schema]) if branch.get("type") != "null"]


# What is wrong --------------------------------------------------------------------------------------------


def _layer_problems(tree: Mapping[Any, Any], label: str, prefix: str = "") -> Iterator[str]:
    """Yield what is wrong with a layer's keys, and with values that Pydantic would take in silence."""
    schema = _schema()
    for name, value in tree.items():
        key = f"{prefix}.{name}" if prefix else str(name)
        if name not in schema.sections[prefix] or (key in schema.sections and not isinstance(value, Mapping)):
            yield _not_a_leaf(key, value, label)
        elif key in schema.sections:
            yield from _layer_problems(value, label, key)
        else:
            items = value if isinstance(value, list | tuple) else [value]
            wants_bool = schema.leaves[key].get("type") == "boolean"
            if any(isinstance(item, bool) for item in items) and not wants_bool:  # else true becomes 1
                yield _line(key, value, f"must be {_allowed(schema.leaves[key])}", label)
            elif any(isinstance(item, int) and item.bit_length() > 64 for item in items):
                yield _line(key, value, "must be an integer of at most 64 bits", label)


def _value_problems(error: ValidationError, layers: Sequence[Layer]) -> Iterator[str]:
    """Yield one line for each mistake that Pydantic found: one for a union, however many branches it has."""
    schema, told = _schema(), set()
    for detail in error.errors(include_url=False):
        key, rest = "", list(detail["loc"])
        while rest and key not in schema.leaves:
            key = f"{key}.{rest.pop(0)}" if key else str(rest.pop(0))
        label = next((layer.label for layer in reversed(layers) if _holds(layer.tree, key)), "")
        if key not in schema.leaves:
            yield _labelled(f"{key or 'experiment'}: {detail['msg'].removeprefix('Value error, ')}", label)
        elif len(_branches(schema.leaves[key])) > 1:
            if key not in told:
                value = next(_get(layer.tree, key) for layer in reversed(layers) if _holds(layer.tree, key))
                yield _line(key, value, f"must be {_allowed(schema.leaves[key])}", label)
            told.add(key)
        else:
            item = schema.leaves[key] if not rest else _branches(schema.leaves[key])[0].get("items", {})
            indices = "".join(f"[{index}]" for index in rest)
            yield _line(key + indices, detail["input"], _wording(detail["type"], detail["msg"], item), label)


def _wording(kind: str, message: str, schema: Mapping[str, Any]) -> str:
    if kind.startswith(("greater_than", "less_than", "finite")) or not schema:
        return message.replace("Input should be", "must be").replace("greater than or equal to", "at least")
    quotes = " (put it in quotes)" if kind == "string_type" else ""
    return f"must be {_allowed(schema)}{quotes}"


def _not_a_leaf(key: str, value: Any, label: str) -> str:
    """Return the line for a key that does not exist, or for a section that got a value."""
    schema = _schema()
    if key and key in schema.sections:
        keys = ", ".join(schema.sections[key])
        return _line(key, value, f"{key} is a section; set its keys: {keys}", label)
    if key in schema.leaves:
        return _labelled(f"key {key!r}: write it as nested sections", label)
    near = _nearest(key, schema.sections if isinstance(value, Mapping) else schema.leaves)
    told = _labelled(f"unknown key {_show(key)!r}", label) + (f"; did you mean {near!r}?" if near else "")
    section = key
    while section and section not in schema.sections:
        section = section.rpartition(".")[0]
    allowed = ", ".join(schema.sections[section])
    if len(allowed) > 150 or (near and not section):
        return told
    return f"{told}{'' if near else ';'} {section or 'the tree'} has {allowed}"


def _nearest(key: str, known: Mapping[str, Any]) -> str | None:
    """Return the known dotted key most like `key`, whole or by its last word (`low_mb`), or None."""
    section, _, word = key[:80].rpartition(".")

    def likeness(candidate: str) -> float:
        in_section, _, its_word = candidate.rpartition(".")
        whole = SequenceMatcher(None, key[:80], candidate).ratio()
        last = 0.95 * SequenceMatcher(None, word, its_word).ratio()
        if section not in _schema().sections or not section:
            return max(whole, last)
        # The section exists: look there first, elsewhere only for about the same word.
        return whole if in_section == section else last * (last > 0.75)

    best = max(known, key=likeness)
    return best if likeness(best) >= 0.6 else None


def _get(tree: Any, key: str) -> Any:
    return reduce(lambda part, name: part[name], key.split("."), tree) if key else tree


def _holds(tree: Any, key: str) -> bool:
    try:
        _get(tree, key)
    except KeyError:
        return False
    return bool(tree)


def _line(key: str, value: Any, text: str, label: str) -> str:
    return _labelled(f"{_show(key)}={_show(value)}: {text}", label)


def _labelled(text: str, label: str) -> str:
    return f"{text} ({label})" if label else text


def _show(value: Any) -> str:
    """Return a value as a user would write it: one printable line, not too long."""
    try:
        text = value if isinstance(value, str) else json.dumps(value, default=str)
    except (TypeError, ValueError, RecursionError):
        text = f"<{type(value).__name__}>"
    return _one_line(text)


def _one_line(text: str) -> str:
    text = text if text.isprintable() else ascii(text)[1:-1]
    return text if len(text) <= 100 else f"{text[:100]}..."
