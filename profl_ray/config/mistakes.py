"""What is wrong with a configuration, in one line for each mistake."""

import re
from collections.abc import Iterator, Mapping, Sequence
from difflib import SequenceMatcher
from typing import Any, NamedTuple

from pydantic import ValidationError

from profl_ray.config.schema import Schema, allowed_words, branches, get, holds
from profl_ray.texts import show


class Layer(NamedTuple):
    """A part of the tree and the words for where it came from."""

    label: str
    tree: Mapping[Any, Any]


def layer_problems(tree: Mapping[Any, Any], label: str, schema: Schema, prefix: str = "") -> Iterator[str]:
    """Yield what is wrong with a layer's keys, and with values that Pydantic would take in silence."""
    for name, value in tree.items():
        key = f"{prefix}.{name}" if prefix else str(name)
        if name not in schema.sections[prefix] or (key in schema.sections and not isinstance(value, Mapping)):
            yield not_a_leaf(key, value, label, schema)
        elif key in schema.sections:
            yield from layer_problems(value, label, schema, key)
        else:
            leaf, items = schema.leaves[key], value if isinstance(value, list | tuple) else [value]
            wants_bool = any(branch.get("type") == "boolean" for branch in branches(leaf))
            is_path = any(branch.get("format") == "path" for branch in branches(leaf))
            # Else true becomes 1, and no path at all the working folder.
            if (any(isinstance(item, bool) for item in items) and not wants_bool) or (
                is_path and value == ""
            ):
                yield _line(key, value, f"must be {allowed_words(leaf)}", label)
            elif any(isinstance(item, str) and "\0" in item for item in items):
                yield _line(key, value, "must not hold the character NUL", label)
            elif any(isinstance(item, int) and item.bit_length() > 64 for item in items):
                yield _line(key, value, "must be an integer of at most 64 bits", label)


def value_problems(error: ValidationError, layers: Sequence[Layer], schema: Schema) -> Iterator[str]:
    """Yield one line for each mistake that Pydantic found: one for a union, however many branches it has."""
    told = set()
    for detail in error.errors(include_url=False):
        key, rest = "", list(detail["loc"])
        while rest and key not in schema.leaves:
            key = f"{key}.{rest.pop(0)}" if key else str(rest.pop(0))
        label = _origin(key, detail["msg"], layers, schema)
        if key not in schema.leaves:
            yield _labelled(f"{key or 'experiment'}: {detail['msg'].removeprefix('Value error, ')}", label)
        elif len(branches(schema.leaves[key])) > 1:
            if key not in told:
                value = next(get(layer.tree, key) for layer in reversed(layers) if holds(layer.tree, key))
                yield _line(key, value, f"must be {allowed_words(schema.leaves[key])}", label)
            told.add(key)
        else:
            item = schema.leaves[key] if not rest else branches(schema.leaves[key])[0].get("items", {})
            indices = "".join(f"[{index}]" for index in rest)
            yield _line(key + indices, detail["input"], _wording(detail["type"], detail["msg"], item), label)


def _origin(key: str, message: str, layers: Sequence[Layer], schema: Schema) -> str:
    """Return the label of the last layer that sets `key`; of a section, one of the keys that are told of."""
    words = set(re.findall(r"\w+", message))
    for layer in reversed(layers):
        if holds(layer.tree, key):
            value = get(layer.tree, key)
            if key in schema.leaves or not isinstance(value, Mapping) or words & value.keys():
                return layer.label
    return ""


def _wording(kind: str, message: str, schema: Mapping[str, Any]) -> str:
    if kind.startswith(("greater_than", "less_than", "finite")) or not schema:
        return message.replace("Input should be", "must be").replace("greater than or equal to", "at least")
    quotes = " (put it in quotes)" if kind == "string_type" else ""
    return f"must be {allowed_words(schema)}{quotes}"


def not_a_leaf(key: str, value: Any, label: str, schema: Schema) -> str:
    """Return the line for a key that does not exist, or for a section that got a value."""
    if key and key in schema.sections:
        keys = ", ".join(schema.sections[key])
        return _line(key, value, f"{key} is a section; set its keys: {keys}", label)
    if key in schema.leaves:
        return _labelled(f"key {key!r}: write it as nested sections", label)
    near = _nearest(key, schema.sections if isinstance(value, Mapping) else schema.leaves, schema)
    told = _labelled(f"unknown key {show(key)!r}", label) + (f"; did you mean {near!r}?" if near else "")
    section = key
    while section and section not in schema.sections:
        section = section.rpartition(".")[0]
    allowed = ", ".join(schema.sections[section])
    if len(allowed) > 150 or (near and not section):
        return told
    return f"{told}{'' if near else ';'} {section or 'the tree'} has {allowed}"


def _nearest(key: str, known: Mapping[str, Any], schema: Schema) -> str | None:
    """Return the known dotted key most like `key`, whole or by its last word (`low_mb`), or None."""
    section, _, word = key[:80].rpartition(".")

    def likeness(candidate: str) -> float:
        in_section, _, its_word = candidate.rpartition(".")
        whole = SequenceMatcher(None, key[:80], candidate).ratio()
        last = 0.95 * SequenceMatcher(None, word, its_word).ratio()
        if word == "".join(part[:1] for part in its_word.split("_")) and in_section == section:
            return 1.0  # `lr`.
        if section not in schema.sections or not section:
            return max(whole, last)
        # The section exists: look there first, elsewhere only for about the same word.
        return whole if in_section == section else last * (last > 0.75)

    best = max(known, key=likeness)
    return best if likeness(best) >= 0.6 else None


def _line(key: str, value: Any, text: str, label: str) -> str:
    return _labelled(f"{show(key)}={show(value)}: {text}", label)


def _labelled(text: str, label: str) -> str:
    return f"{text} ({label})" if label else text
