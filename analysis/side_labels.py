"""Names of points in a column beside the axes, with thin lines to the points: they never overlap."""

from collections.abc import Sequence

from matplotlib.axes import Axes

from profl_ray.tracking.style import FAINT


def draw_side_labels(axes: Axes, points: Sequence[tuple[float, float, str]]) -> None:
    """Write the names of `points` (x, y, name) right of the axes, from top to bottom as the points lie."""
    if not points:
        return
    low, high = axes.get_ylim()
    ordered = sorted(points, key=lambda point: -point[1])
    heights = spread([(y - low) / (high - low) for _, y, _ in ordered], gap=0.062)
    for (x, y, name), height in zip(ordered, heights, strict=True):
        axes.annotate(
            name,
            (x, y),
            xycoords="data",
            xytext=(1.03, height),
            textcoords="axes fraction",
            va="center",
            ha="left",
            fontsize=8,
            annotation_clip=False,
            arrowprops={"arrowstyle": "-", "color": FAINT, "lw": 0.6, "shrinkA": 2, "shrinkB": 5},
        )


def spread(wanted: Sequence[float], gap: float) -> list[float]:
    """Return positions near `wanted` (descending, in [0, 1]), at least `gap` apart and within [0, 1].

    Where there is no room for `gap`, the positions are even.
    """
    count = len(wanted)
    gap = min(gap, 1 / max(count - 1, 1))
    placed: list[float] = []
    for position in wanted:
        placed.append(min([position, 1.0] if not placed else [position, placed[-1] - gap]))
    # Pushed down too far: push up again from the bottom.
    for place in range(count - 1, -1, -1):
        floor = (count - 1 - place) * gap
        placed[place] = max(placed[place], floor)
    return placed
