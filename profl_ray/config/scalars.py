"""Words as people mean them: what a word without quotes is, the declared type of its key decides.

YAML 1.1 would guess from the looks: `010` is 8 there, `12:30:45` is 45045, `no` is false, `1e-3` a text.
"""

import re
from collections.abc import Mapping
from typing import Any

from profl_ray.config.schema import Schema, branches
from profl_ray.config.words import NULLS, Word, as_number, guessed

_WHOLE_BELOW = 2.0**53  # Every whole number up to here is exact as a float.
_EXPONENT = re.compile(r"[-+0-9.]+[eE][-+0-9]+")
_BOOLEANS = {"true": True, "yes": True, "on": True, "false": False, "no": False, "off": False}


def typed_tree(tree: Mapping[Any, Any], schema: Schema, prefix: str = "") -> dict[Any, Any]:
    """Return a tree of sections whose words are read as the schema of their keys has it."""
    read = {}
    for name, value in tree.items():
        key = f"{prefix}.{name}" if prefix else str(name)
        if key in schema.leaves:
            read[name] = typed(value, schema.leaves[key])
        else:  # A section, or what will be refused as no key.
            read[name] = typed_tree(value, schema, key) if isinstance(value, Mapping) else guessed(value)
    return read


def typed(value: Any, schema: Mapping[str, Any]) -> Any:
    """Return a value whose words are read as `schema` has it.

    A word that does not fit stays a text, which validation refuses as it was written.
    """
    kinds = {branch["type"]: branch for branch in branches(schema)}
    if isinstance(value, list):
        items = kinds.get("array", {}).get("items")
        return [typed(item, items) if items else guessed(item) for item in value]
    if not isinstance(value, Word):
        return guessed(value)
    if value.lower() in NULLS and any(branch["type"] == "null" for branch in schema.get("anyOf", ())):
        return None
    if len(kinds) > 1:
        return guessed(value)
    kind = next(iter(kinds))
    if kind == "boolean":
        return _BOOLEANS.get(value.lower(), str(value))
    number = as_number(value) if kind in ("integer", "number") else None
    if kind == "number" and _EXPONENT.fullmatch(value):
        return str(value)  # Validation reads it itself, and so shows 1e9 as it was written.
    if kind == "integer" and isinstance(number, float):
        whole = number.is_integer() and abs(number) < _WHOLE_BELOW
        number = int(number) if whole else None
    return str(value) if number is None else number
