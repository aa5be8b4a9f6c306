"""Figures over all trials of a sweep: accuracy by round, and accuracy against what it cost."""

from collections.abc import Sequence

from matplotlib.axes import Axes
from matplotlib.figure import Figure

from analysis.groups import Group
from analysis.point_labels import draw_point_labels
from analysis.rows import MIB, Result, Row
from profl_ray.figures.looks import key, run_looks
from profl_ray.figures.run import draw_accuracy
from profl_ray.figures.style import (
    COLOURS,
    FAINT,
    INK,
    MARKERS,
    line_style,
    message,
    panels,
    percent,
    styled,
)

MAX_PANELS = 12


@styled
def accuracy_panels(rows: Sequence[Row]) -> Figure:
    """Draw the accuracy by round of every trial in a panel of its own, the best `MAX_PANELS` of them."""
    shown = [row for row in rows if row.trial.records][:MAX_PANELS]
    columns = 1 if len(shown) < 2 else 2
    lines = max(1, -(-len(shown) // columns))
    figure, axes = panels(lines, columns, width=9.2, height=0.3 + 2.35 * lines)
    for place, panel in enumerate(axes):
        if place >= len(shown):
            panel.set_axis_off()
            if not shown:
                message(panel, "no trial has a round yet")
            continue
        row = shown[place]
        draw_accuracy(panel, row.trial.records, row.trial.stages, width_inches=8.2 / columns)
        tail = percent_words(row) if row.outcome == "finished" else row.outcome
        panel.set_title(f"{row.label}: {tail}", pad=22, fontsize=9)
        panel.set_xlabel("Round" if place >= len(shown) - columns else "")
        panel.set_ylabel("Test accuracy" if place % columns == 0 else "")
    if shown:
        trials = [row.trial for row in shown]
        runs = [(trial.records, run_looks(trial.records, trial.stages)) for trial in trials]
        figure.supxlabel(key(*runs), fontsize=7.5, color=FAINT)
    return figure


@styled
def pareto_figure(rows: Sequence[Result]) -> Figure:
    """Draw final accuracy against peak memory: all that finished, and the front that none of them beats.

    A group is drawn at its mean, with a bar from its worst seed to its best.
    """
    figure, (axes,) = panels(1, width=8.2, height=4.0)
    axes.set_title("Accuracy against peak memory")
    points = [
        (row.peak_mib, row.accuracy, row)
        for row in rows
        if row.rank and row.peak_mib and row.accuracy is not None
    ]
    for row in rows:
        if isinstance(row, Group) and row.is_reference and row.accuracy is not None:
            axes.axhline(row.accuracy, color=INK, ls=":", lw=1.2, label=f"{row.label} (ignores quotas)")
    if not points:
        message(axes, "no trial finished")
        return figure
    front = pareto_front([(peak, accuracy) for peak, accuracy, _ in points])
    best = {(peak, accuracy) for peak, accuracy in front}
    if len(front) > 1:
        axes.step(*zip(*front, strict=True), where="post", color=FAINT, ls="--", lw=1.1, label="front")
    for peak, accuracy, row in points:
        seeds = row.accuracies if isinstance(row, Group) else [accuracy]
        axes.vlines(peak, min(seeds), max(seeds), color=INK, lw=1.0)
        on_front = (peak, accuracy) in best
        axes.plot(
            [peak],
            [accuracy],
            marker=MARKERS[0],
            ms=8 if on_front else 6.5,
            ls="",
            mfc=COLOURS[0] if on_front else "white",
            mec=INK,
            zorder=3,
        )
    axes.plot([], [], marker=MARKERS[0], ms=8, ls="", mfc=COLOURS[0], mec=INK, label="on the front")
    axes.plot([], [], marker=MARKERS[0], ms=6.5, ls="", mfc="white", mec=INK, label="beaten by another")
    every = [a for _, a, row in points for a in (row.accuracies if isinstance(row, Group) else [a])]
    every += [row.accuracy for row in rows if isinstance(row, Group) and row.is_reference and row.accuracy]
    _room(axes, [p for p, _, _ in points], every)
    axes.set_xlabel("Peak memory of a device, predicted (MiB)")
    axes.set_ylabel("Final test accuracy")
    percent_fine(axes)
    named = points if len(points) <= 18 else [p for p in points if (p[0], p[1]) in best][:18]
    draw_point_labels(axes, [(peak, accuracy, row.rank or 0, row.label) for peak, accuracy, row in named])
    axes.legend(loc="upper center", bbox_to_anchor=(0.5, -0.16), ncols=3)
    return figure


@styled
def traffic_figure(rows: Sequence[Row]) -> Figure:
    """Draw the accuracy of the current sub-model against the traffic up to then, one line per trial."""
    figure, (axes,) = panels(1, width=8.2, height=4.0)
    axes.set_title("Accuracy against traffic")
    shown = [row for row in rows if traffic_points(row)][:MAX_PANELS]
    if not shown:
        message(axes, "no trial was evaluated")
        return figure
    for place, row in enumerate(shown):
        points = traffic_points(row)
        style = line_style(place)
        every = max(1, len(points) // 8)
        name = row.label if row.rank else f"{row.label} ({row.outcome})"
        axes.plot(
            *zip(*points, strict=True), **style, lw=1.2, ms=4.5, markevery=(place % every, every), label=name
        )
        axes.plot(
            *points[-1], marker=style["marker"], color=style["color"], ms=8, mec=INK, zorder=4, clip_on=False
        )
    axes.set_xlim(left=0)
    axes.set_ylim(0, 1)
    percent(axes)
    axes.set_xlabel("Uplink of all devices so far (MiB); the large marker is the end")
    axes.set_ylabel("Test accuracy")
    axes.legend(loc="upper left", bbox_to_anchor=(1.0, 1.0), handlelength=3.5)
    return figure


def traffic_points(row: Row) -> list[tuple[float, float]]:
    """Return (uplink so far in MiB, accuracy) of one trial, of the steps whose accuracies compare.

    What other steps sent counts, but their sub-models come and go and their accuracies would hide the others.
    A trial that was cut short before a step that compares keeps them.
    """
    sent_bytes, points, compared = 0, [], []
    for record in row.trial.records:
        sent_bytes += record.uplink_bytes
        if record.test_accuracy is not None:
            point = (sent_bytes / MIB, record.test_accuracy)
            points.append(point)
            if record.compares:
                compared.append(point)
    return compared or points


def pareto_front(points: Sequence[tuple[float, float]]) -> list[tuple[float, float]]:
    """Return the (memory, accuracy) pairs that no other beats in both, from little memory to much."""
    front: list[tuple[float, float]] = []
    for memory, accuracy in sorted(set(points), key=lambda point: (point[0], -point[1])):
        if not front or accuracy > front[-1][1]:
            front.append((memory, accuracy))
    return front


def percent_words(row: Row) -> str:
    """Return the final accuracy in words."""
    return "no accuracy" if row.accuracy is None else f"{100 * row.accuracy:.1f} %"


def percent_fine(axes: Axes) -> None:
    """Label the y axis in percent with one digit, for a narrow range."""
    axes.yaxis.set_major_formatter(lambda value, _: f"{100 * value:.1f} %")


def _room(axes: Axes, x: Sequence[float], y: Sequence[float]) -> None:
    """Leave room around the points; one point, or several at one place, would have no range at all."""
    span_x = max(max(x) - min(x), 0.1 * max(x), 1e-3)
    span_y = max(max(y) - min(y), 0.01)
    axes.set_xlim(min(x) - 0.12 * span_x, max(x) + 0.12 * span_x)
    axes.set_ylim(min(y) - 0.15 * span_y, max(y) + 0.15 * span_y)
