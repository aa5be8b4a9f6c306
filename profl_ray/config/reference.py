"""The configuration's reference page, made from the tree itself: `python -m profl_ray.config.reference`."""

from collections.abc import Iterator
from pathlib import Path
from typing import Any, Literal, get_args, get_origin

from pydantic import BaseModel
from pydantic.fields import FieldInfo

from profl_ray.config.experiment import ExperimentConfig
from profl_ray.config.places import in_words

PAGE = Path(__file__).parents[2] / "docs" / "configuration.md"
HEAD = """# Configuration

Every key, its default and its meaning; `key=value` on the command line changes one. Made by
`python -m profl_ray.config.reference` from the descriptions in `profl_ray/config/`.
Recipes are in `profl_ray/config/recipes/`; a recipe of your own is a YAML file with any of these keys, and
may begin with `base: NAME` to start from another.

A run or sweep that goes on (`--resume`) keeps the experiment that it was begun with. These are facts of the
place, and may be others then: KEYS.
"""


def reference() -> str:
    """Return the page as Markdown."""
    lines = [HEAD.replace("KEYS", in_words())]
    for section, rows in _sections(ExperimentConfig, ""):
        lines += [f"## {section or 'top level'}", "", "| key | default | meaning |", "|---|---|---|"]
        lines += [f"| `{key}` | `{default}` | {meaning} |" for key, default, meaning in rows]
        lines.append("")
    return "\n".join(lines)


def _sections(model: type[BaseModel], prefix: str) -> Iterator[tuple[str, list[tuple[str, str, str]]]]:
    """Yield each section with its leaves, a section before those inside it."""
    inner = {name: field for name, field in model.model_fields.items() if _is_section(field)}
    leaves = {name: field for name, field in model.model_fields.items() if name not in inner}
    rows = [(f"{prefix}{name}", _default(field), _meaning(field)) for name, field in leaves.items()]
    yield prefix.removesuffix("."), rows
    for name, field in inner.items():
        assert isinstance(field.annotation, type)
        yield from _sections(field.annotation, f"{prefix}{name}.")


def _meaning(field: FieldInfo) -> str:
    """Return the description, and the allowed values where it does not name them all."""
    words = " ".join((field.description or "").split()).replace("|", "\\|")
    allowed = list(_choices(field.annotation))
    if all(value in words for value in allowed):
        return words
    return f"{words} Allowed: {', '.join(f'`{value}`' for value in allowed)}."


def _choices(annotation: Any) -> Iterator[str]:
    """Yield the texts of a Literal, also inside a union."""
    if get_origin(annotation) is Literal:
        yield from (value for value in get_args(annotation) if isinstance(value, str))
    else:
        for part in get_args(annotation):
            yield from _choices(part)


def _is_section(field: FieldInfo) -> bool:
    return isinstance(field.annotation, type) and issubclass(field.annotation, BaseModel)


def _default(field: FieldInfo) -> str:
    value: Any = field.get_default(call_default_factory=True)
    if value is None or isinstance(value, bool):
        return {None: "null", True: "true", False: "false"}[value]
    return "[]" if value == () else str(value) or '""'


if __name__ == "__main__":
    PAGE.write_text(reference())
