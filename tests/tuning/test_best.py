from types import SimpleNamespace

import pytest

from profl_ray.tuning.best import best_of
from profl_ray.tuning.comparison import METHOD
from profl_ray.tuning.space import encode
from profl_ray.tuning.trial import METRIC, TIME


def result(method, accuracy, progress=1.0):
    # As Tune gives it back.
    return SimpleNamespace(config={METHOD: encode(method)}, metrics={METRIC: accuracy, TIME: progress})


IDEAL, PROFL, STOPPED = result("ideal", 0.9), result("profl", 0.8), result("heterofl", 0.95, progress=0.5)
NO_SETTINGS = SimpleNamespace(config=None, metrics={METRIC: 0.5, TIME: 1.0})


@pytest.mark.parametrize(
    ("finished", "expected"),
    [
        ([], None),
        ([PROFL, result("fedavg", 0.7)], PROFL),
        ([IDEAL, PROFL], PROFL),  # Ideal ignores the quotas.
        ([IDEAL], IDEAL),
        ([STOPPED, PROFL], PROFL),  # It has grown less of the network.
        ([NO_SETTINGS], NO_SETTINGS),
    ],
)
def test_best_of(finished, expected):
    assert best_of(finished) is expected
