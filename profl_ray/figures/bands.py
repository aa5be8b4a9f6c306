"""The steps of a run as shaded bands behind a curve, with names that never overlap."""

from collections.abc import Sequence

from matplotlib.axes import Axes

from profl_ray.figures.looks import Looks
from profl_ray.figures.style import FAINT, INK, steps_of
from profl_ray.server.record import RoundRecord


def draw_steps(
    axes: Axes, records: Sequence[RoundRecord], looks: Looks, *, width_inches: float, rows: int = 2
) -> bool:
    """Shade and name each step; return whether some names are short ones (explain with `looks.key`).

    A name that does not fit into its band's width is shortened; where even that is too wide, the names
    alternate over `rows` lines above the axes, and a name that would still touch its neighbour is left out.
    """
    steps = steps_of(records)
    if not steps:
        return False
    first, last = records[0].round - 0.5, records[-1].round + 0.5
    axes.set_xlim(first, last)
    per_round = width_inches / max(last - first, 1.0)
    spans = [(step[0].round - 0.5, step[-1].round + 0.5) for step in steps]
    names = [step[0].step for step in steps]
    short = any(_inches(n) > (b - a) * per_round for n, (a, b) in zip(names, spans, strict=True))
    if short:
        names = [_shorten(step[0], looks) for step in steps]
    taken = [first - 1.0] * rows
    for step, name, (start, end) in zip(steps, names, spans, strict=True):
        axes.axvspan(start, end, color=looks[step[0].stage].band, lw=0, zorder=0)
        axes.axvline(end, color=FAINT, lw=0.6, ls=(0, (1, 2)), zorder=0.5)
        middle, half = (start + end) / 2, _inches(name) / per_round / 2
        row = next((r for r in range(rows) if middle - half >= taken[r]), None)
        if row is not None:
            taken[row] = middle + half
            axes.annotate(
                name,
                (middle, 1.0),
                xycoords=("data", "axes fraction"),
                xytext=(0, 2 + 9 * row),
                textcoords="offset points",
                ha="center",
                va="bottom",
                fontsize=7,
                color=INK,
                annotation_clip=False,
            )
    return short


def _shorten(record: RoundRecord, looks: Looks) -> str:
    letter = looks[record.stage].short
    return f"{letter}{record.block}" if record.block else letter


def _inches(text: str) -> float:
    """Width of a name in 7 point type, with a little air."""
    return 0.062 * len(text) + 0.06
