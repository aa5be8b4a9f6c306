import pytest

from profl_ray.server.ranking import Ranking, ends_comparably, standing


@pytest.fixture
def records(make_record):
    return [
        make_record(1, seconds=2.0, reduction=0.5, need_mib=50.0),
        make_record(2, seconds=3.0, reduction=0.25, need_mib=75.0, figures={"density": 0.3}, step_ended=True),
    ]


def test_a_run_stands_by_its_last_round_its_summary_and_its_methods_figures(records):
    values = standing(records)
    assert {
        "final_accuracy": 0.5,
        "test_accuracy": 0.5,
        "test_loss": 1.25,
        "density": 0.3,
        "seconds": 3.0,
        "seconds_total": 5.0,
        "step_reduction": 0.25,
        "full_need_mib": pytest.approx(100.0),
        "reduction": pytest.approx(0.25),
        "rounds": 2,
    }.items() <= values.items()
    assert {type(value) for value in values.values()} <= {float, int}


@pytest.mark.parametrize(
    ("ranked_by", "score"),
    [("final_accuracy", 0.5), ("-test_loss", -1.25), ("density", 0.3), ("-density", -0.3), ("none", None)],
)
def test_higher_scores_are_better(records, ranked_by, score):
    assert Ranking(ranked_by).compared_score(records) == score
    assert Ranking(ranked_by).compared_score(records[:1]) is None, "inside a step"


@pytest.mark.parametrize("changes", [{"step_ended": False}, {"compares": False}, {"test_accuracy": None}])
def test_runs_compare_where_a_step_that_compares_ends_and_is_evaluated(make_record, changes):
    assert ends_comparably(make_record(step_ended=True))
    assert not ends_comparably(make_record(**{"step_ended": True} | changes))
