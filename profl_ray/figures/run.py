"""The three figures of a trial: accuracy, effective movement, and memory against the quotas."""

from collections.abc import Sequence

import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure

from profl_ray.figures.bands import draw_steps
from profl_ray.figures.looks import key, run_looks
from profl_ray.figures.memory import StepMemory, memory_figure, step_needs
from profl_ray.figures.style import (
    COLOURS,
    FAINT,
    INK,
    message,
    panels,
    percent,
    steps_of,
    styled,
    whole_rounds,
)
from profl_ray.server.record import RoundRecord
from profl_ray.strategies import Stage

__all__ = [
    "StepMemory",
    "accuracy_figure",
    "draw_accuracy",
    "memory_figure",
    "movement_figure",
    "run_figures",
    "step_needs",
]

MOVEMENT, SLOPE = "effective_movement", "slope"
"""Figures of methods whose steps end by a freeze rule."""


def run_figures(
    records: Sequence[RoundRecord],
    quotas_mib: Sequence[float] | np.ndarray,
    full_need_mib: float | None = None,
    phi: float | None = None,
    stages: Sequence[Stage] = (),
) -> dict[str, Figure]:
    """Return the figures of a run by name: accuracy, effective_movement (where recorded) and memory.

    `stages`: how the strategy's stages look.
    """
    figures = {"accuracy": accuracy_figure(records, stages)}
    if any(MOVEMENT in record.figures for record in records):
        figures[MOVEMENT] = movement_figure(records, phi, stages)
    figures["memory"] = memory_figure(step_needs(records), quotas_mib, full_need_mib, stages)
    return figures


@styled
def accuracy_figure(
    records: Sequence[RoundRecord], stages: Sequence[Stage] = (), title: str = "Test accuracy by round"
) -> Figure:
    """Draw the test accuracy of the current sub-model by round, with the steps marked."""
    figure, (axes,) = panels(1, height=3.4)
    draw_accuracy(axes, records, stages, width_inches=6.3)
    axes.set_title(title, pad=26)
    return figure


def draw_accuracy(
    axes: Axes, records: Sequence[RoundRecord], stages: Sequence[Stage] = (), *, width_inches: float
) -> bool:
    """Draw the accuracy curve into `axes`; return whether the steps carry short names."""
    if all(record.test_accuracy is None for record in records):
        message(axes, "never evaluated")
        return False
    looks = run_looks(records, stages)
    short = draw_steps(axes, records, looks, width_inches=width_inches)
    # A line across steps would join accuracies of different sub-models; each step has its own.
    for step in steps_of(records):
        seen = [(r.round, r.test_accuracy) for r in step if r.test_accuracy is not None]
        if seen:
            axes.plot(
                *zip(*seen, strict=True), color=COLOURS[0], marker="." if len(seen) < 60 else None, ms=4
            )
    axes.set_ylim(0, 1)
    percent(axes)
    axes.set_ylabel("Test accuracy")
    whole_rounds(axes)
    if short:
        axes.set_xlabel(f"Round ({key((records, looks))})" if width_inches > 4 else "Round")
    return short


@styled
def movement_figure(
    records: Sequence[RoundRecord],
    phi: float | None = None,
    stages: Sequence[Stage] = (),
    title: str = "Effective movement of the block",
) -> Figure:
    """Draw effective movement and its slope by round, with the rounds at which blocks were frozen.

    `phi`: the threshold of the freeze rule in percentage points per round.
    """
    figure, (upper, lower) = panels(2, height=4.4, share_x=True, heights=(3, 2))
    upper.set_title(title, pad=26)
    if not any(MOVEMENT in record.figures for record in records):
        message(upper, "not recorded")
        message(lower, "")
        return figure
    looks = run_looks(records, stages)
    draw_steps(upper, records, looks, width_inches=6.3)
    short = draw_steps(lower, records, looks, width_inches=6.3, rows=0)
    for step in steps_of(records):
        _line(upper, [(r.round, r.figures.get(MOVEMENT)) for r in step], COLOURS[0])
        _line(lower, [(r.round, r.figures.get(SLOPE)) for r in step], COLOURS[1])
        last = step[-1]
        if last.step_ended and MOVEMENT in last.figures:
            filled = last.end_reason == "slope"
            upper.plot(
                [last.round],
                [last.figures[MOVEMENT]],
                marker="D",
                ms=6,
                ls="",
                mfc=INK if filled else "white",
                mec=INK,
                zorder=4,
                clip_on=False,
            )
    upper.plot([], [], marker="D", ms=6, ls="", mfc=INK, mec=INK, label="frozen by the rule")
    upper.plot([], [], marker="D", ms=6, ls="", mfc="white", mec=INK, label="ended otherwise")
    upper.legend(loc="upper right", ncols=2, frameon=True, framealpha=0.85, edgecolor="none")
    upper.set_ylim(0, 1.15)
    upper.set_ylabel("Effective movement\n(0 to 1)")
    _slope_axis(lower, records, phi)
    whole_rounds(lower)
    if short:
        lower.set_xlabel(f"Round ({key((records, looks))})")
    return figure


def _line(axes: Axes, points: Sequence[tuple[int, float | None]], colour: str) -> None:
    seen = [(at, value) for at, value in points if value is not None]
    if seen:
        axes.plot(*zip(*seen, strict=True), color=colour, marker="." if len(seen) < 40 else None, ms=4)


def _slope_axis(axes: Axes, records: Sequence[RoundRecord], phi: float | None) -> None:
    slopes = [abs(r.figures[SLOPE]) for r in records if SLOPE in r.figures]
    # The first slopes of a step are steep and of no interest; the view is the neighbourhood of the threshold.
    view = max([float(np.quantile(slopes, 0.9)) if slopes else 0.0, 3 * (phi or 0.0), 0.1])
    axes.set_ylim(-view, view)
    axes.axhline(0, color=FAINT, lw=0.8)
    if phi is not None:
        for threshold in (-phi, phi):
            axes.axhline(threshold, color=INK, lw=0.9, ls="--")
        axes.text(1.005, phi, f"phi\n{phi:g}", transform=axes.get_yaxis_transform(), va="center", fontsize=7)
    axes.set_ylabel("Slope (points\nper round)")
