import pytest

from profl_ray.server.ranking import Ranking
from profl_ray.server.run_folder import RunFolder
from profl_ray.tuning.best import best_of, unranked_notice
from profl_ray.tuning.comparison import METHOD
from profl_ray.tuning.trial_notes import TrialEnd

from .kit import record


def end(accuracy, units_grown=4, outcome="finished"):
    return TrialEnd(outcome=outcome, accuracy=accuracy, score=accuracy, units_grown=units_grown)


SETTINGS = {name: {METHOD: name} for name in ("ideal", "profl", "heterofl", "fedavg")} | {"none": {}}
IDEAL, PROFL, STOPPED = ({"ideal": end(0.9)}, {"profl": end(0.8)}, {"heterofl": end(0.95, 2, "stopped")})


@pytest.mark.parametrize(
    ("ends", "expected"),
    [
        ({}, None),
        (PROFL | {"fedavg": end(0.7)}, "profl"),
        (IDEAL | PROFL, "profl"),  # Ideal ignores the quotas.
        (IDEAL, "ideal"),
        (STOPPED | PROFL, "profl"),  # It has grown less of the network.
        ({"none": end(0.5)}, "none"),
        (PROFL | {"fedavg": end(0.9, outcome="failed"), "heterofl": end(0.0, 0, "n/a")}, "profl"),
        ({"fedavg": end(0.9, outcome="failed")}, None),
    ],
)
def test_best_of(ends, expected):
    assert best_of(SETTINGS, ends) == expected


def test_a_name_that_no_trial_has_is_one_line_with_those_that_they_have(tmp_path):
    (tmp_path / "00001").mkdir()
    RunFolder(tmp_path / "00001").append(record(step_ended=True, figures={"mask_density": 0.5}))
    ends = {"00000": TrialEnd(outcome="n/a"), "00001": TrialEnd(outcome="finished", accuracy=0.5)}
    notice = unranked_notice(Ranking("-mask_densty"), ends, tmp_path)
    assert notice.startswith(
        "unknown evaluation.ranked_by 'mask_densty'; did you mean 'mask_density'? (known: "
    )
    assert best_of({"00000": {}, "00001": {}}, ends) is None
    assert unranked_notice(Ranking(), {"00001": TrialEnd(outcome="finished", score=0.1)}, tmp_path) == ""
    assert unranked_notice(Ranking(), {"00000": TrialEnd(outcome="n/a")}, tmp_path) == ""
