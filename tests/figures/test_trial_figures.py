import io

import pytest

from profl_ray.figures.run import (
    accuracy_figure,
    memory_figure,
    movement_figure,
    run_figures,
    step_needs,
)
from profl_ray.figures.style import save
from profl_ray.strategies.profl import ProFL


def png(figure):
    stream = io.BytesIO()
    save(figure, stream, "png")
    return stream.getvalue()


@pytest.fixture
def records(make_record):
    steps = [("shrink", 2, 0), ("map", 2, 1), ("grow", 1, 2), ("grow", 2, 3)]
    return [
        make_record(
            4 * index + number,
            stage=stage,
            block=block,
            step_index=index,
            step_round=number,
            step_ended=number == 4,
            end_reason="slope" if number == 4 else "",
            need_mib=100.0 * block,
            measured_peak_mib=90.0 * block if number > 2 else None,
            compares=stage == "grow",
            figures={}
            if stage == "map" or number == 1
            else {"effective_movement": 0.5} | ({"slope": -0.3} if number > 2 else {}),
        )
        for stage, block, index in steps
        for number in (1, 2, 3, 4)
    ]


def test_step_needs_are_the_largest_of_each_step(records):
    assert step_needs(records)[0] == ("shrink 2", "shrink", 200.0, 180.0)
    assert [need.step for need in step_needs(records)] == ["shrink 2", "map 2", "grow 1", "grow 2"]


def test_the_figures_can_be_drawn(records):
    assert png(accuracy_figure(records))
    assert png(movement_figure(records, phi=0.2))
    assert png(memory_figure(step_needs(records), [50.0, 150.0, 400.0], 350.0))


def test_a_run_has_its_figures(records):
    figures = run_figures(records[:6], [150.0], 350.0, phi=0.2, stages=ProFL.stages)
    assert list(figures) == ["accuracy", "effective_movement", "memory"]
    ticks = [label.get_text() for label in figures["memory"].axes[1].get_yticklabels()]
    assert ticks == ["shrink 2", "map 2"]
    assert list(run_figures([], [])) == ["accuracy", "memory"]


def test_the_figures_stand_short_and_empty_runs(records, make_record):
    bare = [make_record(1, test_accuracy=None)]
    for few in ([], records[:1], records[:5], bare):
        assert png(accuracy_figure(few))
        assert png(movement_figure(few))
        assert png(memory_figure(step_needs(few), []))


def test_a_device_whose_quota_equals_the_need_can_afford_it(records):
    figure = memory_figure(step_needs(records), [200.0] * 3 + [100.0])
    words = [text.get_text() for text in figure.axes[1].texts]
    assert "200 MiB (75 % of devices)" in words
    assert "100 MiB (100 % of devices)" in words


def test_svg_comes_out_the_same_each_time(records):
    first, second = io.StringIO(), io.StringIO()
    save(accuracy_figure(records), first)
    save(accuracy_figure(records), second)
    assert first.getvalue() == second.getvalue()
