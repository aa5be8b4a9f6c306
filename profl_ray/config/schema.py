"""What the configuration tree allows, from the JSON schema of its sections."""

from collections.abc import Mapping
from functools import cache, reduce
from typing import Any, NamedTuple

from profl_ray.sections import ExperimentConfig


class Schema(NamedTuple):
    """Leaves and sections of the tree."""

    leaves: dict[str, dict[str, Any]]
    """JSON schema of every leaf by dotted key."""
    sections: dict[str, list[str]]
    """Names of the keys of every section by dotted key; the whole tree is ''."""


@cache
def schema_of(kind: type[ExperimentConfig]) -> Schema:
    """Return the schema of trees of a type."""
    root = kind.model_json_schema()
    schema = Schema({}, {})

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


_BOUNDS = {
    "exclusiveMinimum": "greater than",
    "minimum": "at least",
    "exclusiveMaximum": "below",
    "maximum": "at most",
}


def allowed_words(schema: Mapping[str, Any]) -> str:
    """Return in words what a leaf's JSON schema allows."""
    if "anyOf" in schema:
        separator = " or " if len(schema["anyOf"]) == 2 else ", or "
        return separator.join(allowed_words(branch) for branch in schema["anyOf"])
    if "words" in schema:
        return str(schema["words"])
    if "enum" in schema:
        return f"one of {', '.join(schema['enum'])}"
    if schema["type"] == "array":
        return f"a list, each item {allowed_words(schema['items'])}"
    if schema.get("format") == "path":
        return "a path"
    words = {"integer": "an integer", "number": "a number", "boolean": "true or false", "string": "text"}
    limits = " and ".join(f"{word} {schema[bound]}" for bound, word in _BOUNDS.items() if bound in schema)
    return f"{words.get(schema['type'], schema['type'])} {limits}".rstrip()


def branches(schema: Mapping[str, Any]) -> list[Mapping[str, Any]]:
    """Return the alternatives of a leaf, null aside."""
    return [branch for branch in schema.get("anyOf", [schema]) if branch.get("type") != "null"]


def get(tree: Any, key: str) -> Any:
    """Return the value at a dotted key; KeyError if the tree does not have it."""
    return reduce(lambda part, name: part[name], key.split("."), tree) if key else tree


def holds(tree: Any, key: str) -> bool:
    """Say whether the tree has the dotted key."""
    try:
        get(tree, key)
    except (KeyError, TypeError):
        return False
    return bool(tree)
