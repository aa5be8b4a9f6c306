import os
import signal

import pytest

from profl_ray.tuning.interrupt import tune_stops_on_signal

pytestmark = pytest.mark.usefixtures("no_repeats")
NUMBERS = (signal.SIGINT, signal.SIGTERM, signal.SIGHUP, signal.SIGUSR1)


@pytest.fixture
def no_repeats(monkeypatch):
    """Signals follow each other faster here than people send them."""
    monkeypatch.setattr("profl_ray.signals.REPEAT_SECONDS", 0.0)


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM, signal.SIGHUP])
def test_the_first_signal_asks_tune_to_stop_and_the_second_ends_at_once(number):
    before, asked = [signal.getsignal(n) for n in NUMBERS], []
    with pytest.raises(KeyboardInterrupt), tune_stops_on_signal() as interruption:
        signal.signal(signal.SIGUSR1, lambda *_: asked.append(1))  # As Tune does.
        assert not interruption.requested
        signal.raise_signal(number)
        assert interruption.requested and asked == [1]
        signal.raise_signal(signal.SIGTERM)
    assert [signal.getsignal(n) for n in NUMBERS] == before
    assert "TUNE_DISABLE_SIGINT_HANDLER" not in os.environ


def test_before_tune_listens_a_signal_ends_at_once(monkeypatch):
    monkeypatch.setenv("TUNE_DISABLE_SIGINT_HANDLER", "0")
    with pytest.raises(KeyboardInterrupt), tune_stops_on_signal():
        signal.raise_signal(signal.SIGINT)
    assert os.environ["TUNE_DISABLE_SIGINT_HANDLER"] == "0"
