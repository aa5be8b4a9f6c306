"""Names of points: their numbers beside them, shared where points coincide, and a key beside the axes."""

from collections.abc import Sequence

from matplotlib.axes import Axes

LINE_HEIGHT = 0.058
"""Of the key, as a share of the axes' height."""


def draw_point_labels(axes: Axes, points: Sequence[tuple[float, float, int, str]]) -> None:
    """Number `points` (x, y, number, name) and list number and name right of the axes."""
    for (x, y), numbers in shared_numbers(points).items():
        axes.annotate(
            ", ".join(f"#{number}" for number in numbers),
            (x, y),
            xytext=(7, 4),
            textcoords="offset points",
            fontsize=8,
        )
    for line, (_, _, number, name) in enumerate(sorted(points, key=lambda point: point[2])):
        axes.text(
            1.03,
            1.0 - line * LINE_HEIGHT,
            f"#{number}  {name}",
            transform=axes.transAxes,
            va="top",
            ha="left",
            fontsize=8,
        )


def shared_numbers(
    points: Sequence[tuple[float, float, int, str]],
) -> dict[tuple[float, float], list[int]]:
    """Return the numbers of the points at each place, rising."""
    places: dict[tuple[float, float], list[int]] = {}
    for x, y, number, _ in sorted(points, key=lambda point: point[2]):
        places.setdefault((x, y), []).append(number)
    return places
