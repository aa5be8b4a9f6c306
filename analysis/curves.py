"""Figures of a comparison: one line or point per setting, means over seeds with their range."""

from collections.abc import Callable, Sequence

import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.ticker import MaxNLocator

from analysis.groups import Group
from analysis.rows import MIB, Row
from profl_ray.figures.style import BAR, EDGE, INK, line_style, message, panels, percent, styled

MAX_LINES = 12
NUM_POINTS = 60
"""Of a line that is a mean over seeds."""

Curve = tuple[np.ndarray, np.ndarray]
"""x and accuracy, x rising."""

AXES: dict[str, tuple[str, Callable[[Row], dict[int, float]]]] = {
    "rounds": ("Round", lambda row: {record.round: record.round for record in row.trial.records}),
    "uplink": ("Uplink of all devices (GiB)", lambda row: _total(row, "uplink_bytes", 1024 * MIB)),
    "work": ("Local training (TFLOP)", lambda row: _total(row, "local_flops", 1e12)),
}
"""What accuracy is drawn against: label of the axis, and its value after each round."""


@styled
def curves_figure(groups: Sequence[Group]) -> Figure:
    """Draw accuracy by round, by uplink and by operations: means over seeds, bands from worst to best."""
    figure, all_axes = panels(len(AXES), 1, width=7.6, height=8.6)
    shown = [group for group in groups if any(curve_points(row, "rounds") for row in group.finished)][
        :MAX_LINES
    ]
    looks = sorted(group.label for group in shown)
    for axes, (kind, (label, _)) in zip(all_axes, AXES.items(), strict=True):
        if not shown:
            message(axes, "no trial finished")
            continue
        for group in shown:
            # By name, so that a method looks alike in the figures of two comparisons.
            _draw(axes, group, kind, looks.index(group.label))
        axes.set_xlim(left=0)
        axes.set_ylim(*_view(shown))
        axes.yaxis.set_major_locator(MaxNLocator(steps=[1, 2, 5, 10]))  # whole percents
        percent(axes)
        axes.set_xlabel(label)
        axes.set_ylabel("Test accuracy")
    if shown:
        all_axes[0].set_title("Accuracy by round, traffic and computation")
        handles, names = all_axes[0].get_legend_handles_labels()
        figure.legend(handles, names, loc="outside lower center", ncols=4, handlelength=4)
    return figure


def curve_points(row: Row, kind: str) -> list[tuple[float, float]]:
    """Return (x, accuracy) of one trial, of the steps whose accuracies compare.

    What other steps cost counts: it is where the line starts.
    """
    at = AXES[kind][1](row)
    return [
        (at[record.round], record.test_accuracy)
        for record in row.trial.records
        if record.test_accuracy is not None and record.compares
    ]


def mean_curve(curves: Sequence[Curve]) -> tuple[np.ndarray, np.ndarray, np.ndarray, np.ndarray]:
    """Return x, mean, least and most of curves, point by point at equal shares of their lengths.

    So the mean of curves of unequal lengths begins and ends at the means of their beginnings and ends.
    """
    if len(curves) == 1:
        ((x, y),) = curves
        return x, y, y, y
    shares = np.linspace(0, 1, NUM_POINTS)
    grids = [x[0] + shares * (x[-1] - x[0]) for x, _ in curves]
    values = np.stack([np.interp(grid, x, y) for grid, (x, y) in zip(grids, curves, strict=True)])
    return np.mean(grids, axis=0), values.mean(axis=0), values.min(axis=0), values.max(axis=0)


def _draw(axes: Axes, group: Group, kind: str, place: int) -> None:
    found = [curve_points(row, kind) for row in group.finished]
    curves = [tuple(np.array(axis) for axis in zip(*points, strict=True)) for points in found if points]
    if not curves:
        return
    grid, mean, least, most = mean_curve([(x, y) for x, y in curves])
    style = line_style(place)
    every = max(1, len(grid) // 7)
    axes.fill_between(grid, least, most, color=style["color"], alpha=0.12, lw=0)
    axes.plot(
        grid, mean, **style, lw=1.3, ms=4.5, markevery=(place % every, every), label=group.label, zorder=3
    )
    axes.plot(grid[-1], mean[-1], marker=style["marker"], color=style["color"], ms=8, mec=INK, zorder=4)


@styled
def participation_bars(groups: Sequence[Group]) -> Figure:
    """Draw, per setting, which share of the devices could take part, and which share ever did."""
    shown = [group for group in groups if group.participation is not None][:MAX_LINES]
    figure, (axes,) = panels(1, width=7.2, height=1.3 + 0.42 * max(1, len(shown)))
    axes.set_title("Who takes part")
    if not shown:
        message(axes, "no trial has a round yet")
        return figure
    for line, group in enumerate(shown):
        for shift, share, fill, hatch in (
            (-0.19, group.participation, BAR, ""),
            (0.19, group.took_part, "white", "////"),
        ):
            if share is None:
                continue
            axes.barh(line + shift, share, height=0.36, color=fill, hatch=hatch, edgecolor=EDGE, lw=0.6)
            axes.annotate(
                f"{100 * share:.0f} %",
                (share, line + shift),
                xytext=(4, 0),
                textcoords="offset points",
                va="center",
                fontsize=7.5,
            )
    axes.barh(0, 0, color=BAR, ec=EDGE, label="can afford a step (mean over rounds)")
    axes.barh(0, 0, color="white", hatch="////", edgecolor=EDGE, label="took part at least once")
    axes.set_yticks(range(len(shown)), [group.label for group in shown])
    axes.set_ylim(len(shown) - 0.4, -0.6)
    axes.set_xlim(0, 1.12)
    axes.set_xticks([0, 0.25, 0.5, 0.75, 1])
    axes.grid(False, axis="y")
    percent(axes, "x")
    axes.set_xlabel("Share of all devices")
    figure.legend(*axes.get_legend_handles_labels(), loc="outside lower center", ncols=2)
    return figure


def _total(row: Row, name: str, unit: float) -> dict[int, float]:
    total, found = 0, {}
    for record in row.trial.records:
        total += getattr(record, name)
        found[record.round] = total / unit
    return found


def _view(groups: Sequence[Group]) -> tuple[float, float]:
    """Return the range of accuracies worth seeing: the ends of all lines, and some way below."""
    ends = [value for group in groups for value in group.accuracies]
    every = [value for group in groups for row in group.finished for _, value in curve_points(row, "rounds")]
    least, most = min(ends), max(ends)
    return max(0.0, least - max(0.15, most - least)), min(1.0, max(every) + 0.02)
