import io

import numpy as np
import pytest

from analysis.curves import curve_points, curves_figure, mean_curve, participation_bars
from analysis.figures import pareto_figure
from profl_ray.figures.style import save


def test_lines_begin_with_growing(comparison_rows):
    profl, ideal = (
        next(row for row in comparison_rows if row.settings["method"] == name) for name in ("profl", "ideal")
    )
    assert len(curve_points(profl, "rounds")) < len([r for r in profl.trial.records if r.test_accuracy])
    assert len(curve_points(ideal, "rounds")) == len([r for r in ideal.trial.records if r.test_accuracy])
    assert curve_points(profl, "work")[-1][0] == pytest.approx(profl.tflop)
    assert curve_points(profl, "uplink")[-1][0] == pytest.approx(profl.uplink_mib / 1024)


def test_the_mean_of_curves_ends_at_the_mean_of_their_ends():
    first = (np.array([0.0, 10.0]), np.array([0.0, 1.0]))
    second = (np.array([2.0, 20.0]), np.array([0.5, 0.5]))
    grid, mean, least, most = mean_curve([first, second])
    assert (grid[0], grid[-1]) == (1.0, 15.0)
    assert mean[0] == pytest.approx(0.25)
    assert mean[-1] == pytest.approx(0.75)
    assert (least[-1], most[-1]) == (0.5, 1.0)


@pytest.mark.parametrize("draw", [curves_figure, pareto_figure, participation_bars])
def test_figures_can_be_drawn_of_any_number_of_settings(draw, groups):
    for some in (groups, groups[:1], groups[-1:], []):
        stream = io.BytesIO()
        save(draw(some), stream, "png")
        assert stream.getvalue()
