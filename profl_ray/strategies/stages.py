"""How the stages of a strategy's schedule are shown in figures, tables and legends."""

import json
from collections.abc import Sequence
from dataclasses import asdict, dataclass


@dataclass(frozen=True)
class Stage:
    """A stage and its look; what is left empty is chosen by whoever draws it, differently for each stage."""

    name: str
    """As in `Step.stage`."""
    short: str = ""
    """One or two letters, for where its name finds no room."""
    fill: str = ""
    """Colour of its bars, as #rrggbb; light, so that hatches and text can be read on it."""
    band: str = ""
    """Colour behind its rounds in a curve, as #rrggbb; lighter still."""
    hatch: str | None = None
    """Hatch of its bars in matplotlib's signs, "" for none: what tells stages apart without colour."""


GROW = Stage("grow", "G", fill="#f0b27a", band="#fdf1e3", hatch="///")
"""Of every method that grows the network block by block."""


def stages_as_text(stages: Sequence[Stage]) -> str:
    """Return stages as one line of JSON."""
    return json.dumps([asdict(stage) for stage in stages])


def stages_from_text(text: str) -> tuple[Stage, ...]:
    """Return what `stages_as_text` wrote; nothing where it cannot be read, since it is but a look."""
    try:
        return tuple(Stage(**values) for values in json.loads(text))
    except (ValueError, TypeError):
        return ()
