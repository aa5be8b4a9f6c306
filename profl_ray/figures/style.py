"""How every figure looks: readable in print, in black and white, and with any kind of colour vision."""

from collections.abc import Callable, Sequence
from functools import wraps
from typing import Any, ParamSpec, TypeVar, cast

from matplotlib import rc_context
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.ticker import MaxNLocator

from profl_ray.server.record import RoundRecord

COLOURS = ("#0072B2", "#D55E00", "#009E73", "#CC79A7", "#56B4E9", "#E69F00", "#000000")
"""Okabe and Ito's palette."""
LINES = ("-", "--", "-.", ":", (0, (5, 1, 1, 1, 1, 1)), (0, (8, 2)))
MARKERS = ("o", "s", "^", "D", "v", "P", "X")
INK = "#222222"
FAINT = "#8a8a8a"
BAR = "#9cc3e0"
"""Of bars that are all of one kind."""
EDGE = "#555555"
_RC: Any = {
    "font.family": "DejaVu Sans",
    "font.size": 9,
    "axes.titlesize": 10,
    "axes.titleweight": "bold",
    "axes.titlelocation": "left",
    "axes.labelsize": 9,
    "axes.edgecolor": "#555555",
    "axes.labelcolor": INK,
    "axes.spines.top": False,
    "axes.spines.right": False,
    "axes.grid": True,
    "axes.axisbelow": True,
    "grid.color": "#d9d9d9",
    "grid.linewidth": 0.6,
    "text.color": INK,
    "xtick.labelsize": 8,
    "ytick.labelsize": 8,
    "xtick.color": INK,
    "ytick.color": INK,
    "legend.fontsize": 8,
    "legend.frameon": False,
    "lines.linewidth": 1.5,
    "lines.markersize": 5,
    "hatch.linewidth": 0.5,
    "svg.hashsalt": "profl-ray",
}


P = ParamSpec("P")
T = TypeVar("T")


def styled(draw: Callable[P, T]) -> Callable[P, T]:
    """Let a function that draws use the project's style; nothing outside it changes."""

    @wraps(draw)
    def wrapper(*args: P.args, **kwargs: P.kwargs) -> T:
        with rc_context(_RC):
            return draw(*args, **kwargs)

    return wrapper


def panels(
    rows: int,
    columns: int = 1,
    *,
    width: float = 7.2,
    height: float = 3.2,
    share_x: bool = False,
    share_y: bool = False,
    heights: Sequence[float] | None = None,
) -> tuple[Figure, list[Axes]]:
    """Return a figure of `rows` x `columns` axes, row by row; sizes in inches, of the whole figure.

    No pyplot: figures are made in trials, in tests and in a web server, and none of them wants global state.
    """
    # MLflow saves figures at their own resolution.
    figure = Figure(figsize=(width, height), dpi=160, layout="constrained")
    grid = figure.subplots(
        rows,
        columns,
        sharex=share_x,
        sharey=share_y,
        squeeze=False,
        gridspec_kw={"height_ratios": heights} if heights else None,
    )
    return figure, cast(list[Axes], list(grid.flat))


@styled
def save(figure: Figure, target: Any, kind: str = "svg") -> None:
    """Write the figure to a file or stream as `svg`, `pdf` or `png`, the same every time."""
    dates: dict[str, Any] = {"svg": {"Date": None}, "pdf": {"CreationDate": None}}
    figure.savefig(target, format=kind, metadata=dates.get(kind))


def line_style(index: int) -> dict[str, Any]:
    """Return colour, dashes and marker of the `index`-th line; 40 lines have 40 looks."""
    return {
        "color": COLOURS[index % len(COLOURS)],
        "linestyle": LINES[index % len(LINES)],
        "marker": MARKERS[index % len(MARKERS)],
    }


def percent(axes: Axes, axis: str = "y") -> None:
    """Label an axis of shares in percent."""
    chosen = axes.yaxis if axis == "y" else axes.xaxis
    chosen.set_major_formatter(lambda value, _: f"{100 * value:.0f} %")


def whole_rounds(axes: Axes) -> None:
    """Let the x axis show whole rounds."""
    axes.xaxis.set_major_locator(MaxNLocator(integer=True, nbins=8))
    axes.set_xlabel("Round")


def steps_of(records: Sequence[RoundRecord]) -> list[list[RoundRecord]]:
    """Return the rounds step by step, in the order of the run."""
    steps: list[list[RoundRecord]] = []
    for record in records:
        if steps and steps[-1][-1].step_index == record.step_index:
            steps[-1].append(record)
        else:
            steps.append([record])
    return steps


def message(axes: Axes, text: str) -> None:
    """Say in the middle of empty axes why they are empty."""
    axes.text(0.5, 0.5, text, transform=axes.transAxes, ha="center", va="center", color=FAINT)
    axes.set_xticks([])
    axes.set_yticks([])
    axes.grid(False)
