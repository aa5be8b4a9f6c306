import io

import pytest
from synthetic_sweep import make_sweep

from analysis import result_rows
from analysis.figures import accuracy_panels, pareto_figure, pareto_front, traffic_figure, traffic_points
from analysis.participation import participation_figure, profiles
from analysis.point_labels import shared_numbers
from profl_ray.figures.style import line_style, save


@pytest.fixture(scope="module")
def rows():
    return result_rows(make_sweep())


@pytest.mark.parametrize("draw", [accuracy_panels, pareto_figure, traffic_figure, participation_figure])
def test_figures_can_be_drawn_of_any_number_of_trials(draw, rows):
    for some in (rows, rows[:1], rows[-2:], []):
        stream = io.BytesIO()
        save(draw(some), stream, "png")
        assert stream.getvalue()


def test_the_front_holds_what_nothing_beats():
    points = [(3, 0.9), (1, 0.5), (2, 0.4), (2, 0.7), (3, 0.8), (4, 0.9)]
    assert pareto_front(points) == [(1, 0.5), (2, 0.7), (3, 0.9)]


def test_traffic_starts_with_growing_unless_there_is_none(rows):
    best, stopped = traffic_points(rows[0]), traffic_points(rows[-1])
    assert len(best) < len(evaluated(rows[0]))
    assert best[0][0] > 1000, "what shrinking sent counts"
    assert len(stopped) == len(evaluated(rows[-1]))


def evaluated(row):
    return [record for record in row.trial.records if record.test_accuracy is not None]


def test_trials_that_only_freeze_at_other_times_share_a_profile(rows):
    assert sorted(len(sharing) for sharing in profiles(rows).values()) == [3, 3]


def test_points_at_one_place_share_a_label():
    points = [(1.0, 0.9, 2, "b"), (1.0, 0.9, 1, "a"), (2.0, 0.8, 3, "c")]
    assert shared_numbers(points) == {(1.0, 0.9): [1, 2], (2.0, 0.8): [3]}


def test_lines_differ_without_colour():
    looks = {(str(line_style(n)["linestyle"]), line_style(n)["marker"]) for n in range(40)}
    assert len(looks) == 40
