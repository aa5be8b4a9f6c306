"""A controller of Tune that fails: the sweep goes on, a few times."""

import pytest
from ray import tune
from ray.tune.execution.tune_controller import TuneController

from profl_ray.tuning import Choice, SweepRequest, run_sweep
from profl_ray.tuning.fitting import MAX_RESTARTS, fit

from .kit import space


class Failing:
    """A tuner that fails so many times."""

    def __init__(self, failures, error):
        self.failures, self.error, self.fits = failures, error, 0

    def fit(self):
        self.fits += 1
        if self.fits <= self.failures:
            raise self.error
        return "results"


@pytest.mark.parametrize("error", [RuntimeError("one\ntwo"), tune.TuneError("one")])
def test_a_failure_of_tune_is_told_and_survived(error):
    said, tuner = [], Failing(MAX_RESTARTS, error)
    assert fit(tuner, lambda: tuner, said.append) == "results"
    assert len(said) == MAX_RESTARTS and all("one); the trials go on" in line for line in said)
    assert not any("two" in line for line in said)


def test_a_failure_that_stays_is_raised():
    tuner = Failing(MAX_RESTARTS + 1, RuntimeError("again"))
    with pytest.raises(RuntimeError, match="again"):
        fit(tuner, lambda: tuner, lambda _: None)


@pytest.mark.parametrize("error", [KeyboardInterrupt(), ValueError("a user's mistake")])
def test_other_errors_are_not_tried_again(error):
    tuner = Failing(1, error)
    with pytest.raises(type(error)):
        fit(tuner, lambda: tuner, lambda _: None)
    assert tuner.fits == 1


@pytest.mark.ray
def test_a_sweep_outlives_its_controller(local_ray, root, monkeypatch):
    step, calls = TuneController.step, []

    def failing_once(self):
        calls.append(self)
        if len(calls) == 12:
            raise RuntimeError("Unexpected exception: OutOfMemoryError")
        return step(self)

    monkeypatch.setattr(TuneController, "step", failing_once)
    said = []
    parameters = {"freezing.rounds": Choice.of(2, 3)}
    outcome = run_sweep(SweepRequest(space(root, parameters), max_concurrent=2, command="x"), said.append)
    assert (outcome.num_trials, outcome.num_failed) == (2, 0)
    assert any("OutOfMemoryError); the trials go on" in line for line in said), said
