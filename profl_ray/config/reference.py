"""The configuration's reference page, made from the tree itself: `python -m profl_ray.config.reference`."""

from collections.abc import Iterator
from pathlib import Path
from typing import Any, Literal, get_args, get_origin

from pydantic import BaseModel
from pydantic.fields import FieldInfo

from profl_ray.config.places import in_words
from profl_ray.config.tree import experiment_type

PAGE = Path(__file__).parents[2] / "docs" / "configuration.md"
HEAD = """# Configuration

Every key, its default and its meaning; `key=value` on the command line changes one. Made by
`python -m profl_ray.config.reference` from the descriptions in `profl_ray/sections/` and,
for a method's own options, in its file in `profl_ray/strategies/`. A strategy of your own,
`strategy.name=FILE.py:CLASS`, has its options in the tree as well: [plugins.md](plugins.md).
Recipes are in `profl_ray/config/recipes/`; a recipe of your own is a YAML file with any of these keys, and
may begin with `base: NAME` to start from another.

What stands behind the `=` is read as the key has it, and so is a word without quotes in a recipe:

* **text and paths** as written, without leading and trailing blanks: `'storage.root=/x/run #3'`,
  `data.root=007`, `tracking.experiment=1e3`. On the command line nothing in them is YAML; in a recipe a ` #`
  begins a comment;
* **numbers** as people mean them: `seed=010` is ten, `1_000`, `1e3` (also where a whole number belongs),
  `1e-3`, `.5`, `+5`, `0x10`; `1:30` and `1,5` are refused;
* **true or false**, also `yes`, `no`, `on`, `off`;
* **lists** in brackets: `[2,2]`, `[2, 2]`. Where a name, a number or a list may stand (`model.partition`),
  what looks like a number is one;
* **nothing**: `null`, `~` or no word at all, for keys that may be null. For others they are text on the
  command line, and refused in a recipe; a path cannot be empty.

Quotes around the whole value say that it is text, and are taken off: `'tracking.uri="null"'`. A recipe, or a
list of quotas, may be UTF-8 with or without a byte order mark, or UTF-16 with one, as Windows writes them.

A run is named after its recipe's name or file, the time and four digits: `my exp(1).yaml` gives
`my-exp-1-20261126-101112-ab12`, which `--resume`, `status` and `report` take.

A resumed run or sweep (`--resume`) keeps the experiment that it was begun with. These are facts of the
place, and may be different then: KEYS.
"""


def reference() -> str:
    """Return the page as Markdown."""
    lines = [HEAD.replace("KEYS", in_words())]
    for section, rows in _sections(experiment_type(), ""):
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
