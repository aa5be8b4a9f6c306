import pytest

from profl_ray.tuning.best import best_of
from profl_ray.tuning.comparison import METHOD
from profl_ray.tuning.trial_notes import TrialEnd


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
