"""A controller of Tune that fails: the sweep continues, a few times."""

import os
import signal
from types import SimpleNamespace

import pytest
from ray import tune
from ray.exceptions import ActorDiedError
from ray.tune.execution.tune_controller import TuneController

from profl_ray.tuning import Choice, SweepRequest, run_sweep
from profl_ray.tuning.fitting import MAX_RESTARTS, fit
from profl_ray.tuning.interrupt import Interruption, tune_stops_on_signal
from profl_ray.tuning.trial import ProFLTrial

from .kit import space


class Failing:
    """A tuner that fails so many times."""

    def __init__(self, failures, error):
        self.failures, self.error, self.fits = failures, error, 0

    def fit(self):
        self.fits += 1
        if self.fits <= self.failures:
            raise self.error
        return RESULTS


RESULTS = SimpleNamespace(errors=[])
LOST = SimpleNamespace(errors=[ValueError("a trial's own"), ActorDiedError()])


class Losing:
    """A tuner whose trials lose their processes so many times."""

    def __init__(self, times):
        self.times, self.fits = times, 0

    def fit(self):
        self.fits += 1
        return LOST if self.fits <= self.times else RESULTS


@pytest.mark.parametrize("error", [RuntimeError("one\ntwo"), tune.TuneError("one")])
def test_a_failure_of_tune_is_told_and_survived(error):
    said, tuner = [], Failing(MAX_RESTARTS, error)
    assert fit(tuner, lambda: tuner, said.append, Interruption()) is RESULTS
    assert len(said) == MAX_RESTARTS and all("one); the trials resume" in line for line in said)
    assert not any("two" in line for line in said)


def test_a_failure_that_stays_is_raised():
    tuner = Failing(MAX_RESTARTS + 1, RuntimeError("again"))
    with pytest.raises(RuntimeError, match="again"):
        fit(tuner, lambda: tuner, lambda _: None, Interruption())


@pytest.mark.parametrize("error", [KeyboardInterrupt(), ValueError("a user's mistake")])
def test_other_errors_are_not_tried_again(error):
    tuner = Failing(1, error)
    with pytest.raises(type(error)):
        fit(tuner, lambda: tuner, lambda _: None, Interruption())
    assert tuner.fits == 1


def test_lost_processes_are_told_and_replaced():
    said, tuner = [], Losing(2)
    assert fit(tuner, lambda: tuner, said.append, Interruption()) is RESULTS
    assert said == ["trials whose process was lost: 1; all that failed are tried once more"] * 2


@pytest.mark.parametrize(("times", "interrupted", "fits"), [(99, False, MAX_RESTARTS + 1), (99, True, 1)])
def test_processes_that_are_lost_again_and_again_or_at_the_end_stay_lost(times, interrupted, fits):
    tuner, interruption = Losing(times), Interruption()
    interruption.requested = interrupted
    assert fit(tuner, lambda: tuner, lambda _: None, interruption) is LOST
    assert tuner.fits == fits


def test_a_failure_of_tune_after_a_signal_is_not_gone_on_from():
    tuner, interruption = Failing(1, RuntimeError("ended in the middle")), Interruption()
    interruption.requested = True
    with pytest.raises(KeyboardInterrupt):
        fit(tuner, lambda: pytest.fail("again"), lambda _: None, interruption)


def test_between_two_fits_a_signal_ends_the_sweep_at_once():
    """Tune never forgets its own listener: the signal would be told to a controller that has ended."""

    class Listening(Losing):
        def fit(self):
            signal.signal(signal.SIGUSR1, lambda *_: pytest.fail("told to the one that has ended"))
            return super().fit()

    def restored():
        signal.raise_signal(signal.SIGINT)
        pytest.fail("continued")

    with pytest.raises(KeyboardInterrupt), tune_stops_on_signal() as interruption:
        fit(Listening(1), restored, lambda _: None, interruption)


def test_a_trials_own_failure_is_tunes_business():
    tuner = SimpleNamespace(fit=lambda: SimpleNamespace(errors=[ValueError("its own")]))
    assert len(fit(tuner, lambda: pytest.fail("again"), pytest.fail, Interruption()).errors) == 1


@pytest.mark.ray
def test_a_process_that_dies_between_two_trials_costs_no_trial(local_ray, root, tmp_path, monkeypatch):
    """Tune takes it for the next trial's failure, and does not try that one again."""
    died, take_in = tmp_path / "died", ProFLTrial.reset_config

    def dying_once(self, new_config):
        if not died.exists():
            died.touch()
            os._exit(1)
        return take_in(self, new_config)

    monkeypatch.setattr(ProFLTrial, "reset_config", dying_once)
    said = []
    parameters = {"freezing.rounds": Choice.of(1, 2, 3)}
    outcome = run_sweep(SweepRequest(space(root, parameters), max_concurrent=1, command="x"), said.append)
    assert died.exists()
    assert (outcome.num_trials, outcome.num_failed) == (3, 0)
    assert sum(line.startswith("  done") for line in said) == 3, said


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
    assert any("OutOfMemoryError); the trials resume" in line for line in said), said
