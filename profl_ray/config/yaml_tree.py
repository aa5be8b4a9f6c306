"""YAML as trees of plain values: read by a safe loader, mistakes named by line."""

import json
from collections.abc import Mapping
from typing import Any

import yaml

from profl_ray.errors import UserError


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


def parse(text: str, source: str, lines: bool = True) -> Any:
    """Return the value of a YAML text; UserError names `source`, and the line where there are `lines`."""
    try:
        return yaml.load(text, Loader=_Loader)
    except yaml.MarkedYAMLError as error:
        mark = error.problem_mark or error.context_mark
        where = f"{source}:{mark.line + 1}" if mark and lines else source
        problem = error.problem or error.context or "cannot be read"
        raise UserError(f"{where}: broken YAML: {one_line(problem)}") from None
    except Exception as error:  # PyYAML's constructors leak whatever they trip over (`!!int x`, 2001-99-99)
        raise UserError(f"{source}: broken YAML: {one_line(str(error))}") from None


def mapping(text: str, source: str) -> Mapping[Any, Any]:
    """Return the tree of a YAML text; UserError if it is something else."""
    tree = parse(text, source)
    if tree is None:
        raise UserError(f"{source}: is empty")
    if not isinstance(tree, Mapping):
        raise UserError(f"{source}: must hold sections with keys, not {show(tree) or repr(tree)}")
    return tree


def show(value: Any) -> str:
    """Return a value as a user would write it: one printable line, not too long."""
    try:
        text = value if isinstance(value, str) else json.dumps(value, default=str)
    except (TypeError, ValueError, RecursionError):
        text = f"<{type(value).__name__}>"
    return one_line(text)


def as_text(value: Any) -> str:
    """Return a value as text that YAML reads back: text as it is, all else as compact JSON (`[2,2]`)."""
    return value if isinstance(value, str) else json.dumps(value, separators=(",", ":"))


def one_line(text: str) -> str:
    """Return text as one printable line, not too long."""
    text = text if text.isprintable() else ascii(text)[1:-1]
    return text if len(text) <= 100 else f"{text[:100]}..."
