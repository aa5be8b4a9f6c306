"""Ctrl-C, SIGTERM and SIGHUP end a sweep in order: trials are closed, and the sweep can be resumed."""

import os
import signal
import threading
from collections.abc import Iterator
from contextlib import contextmanager

from profl_ray.signals import Interrupted, on_signal


class Interruption:
    """Whether the sweep was asked to stop."""

    def __init__(self) -> None:
        self.requested = False

    def between_fits(self) -> None:
        """Forget the listener of a Tune that has ended, so that a signal now ends the sweep at once.

        Raises Interrupted if there was one already.
        """
        if threading.current_thread() is threading.main_thread():
            signal.signal(signal.SIGUSR1, signal.SIG_DFL)
        if self.requested:
            raise Interrupted


@contextmanager
def tune_stops_on_signal() -> Iterator[Interruption]:
    """Let the first signal stop Tune as it stops by itself, and a second one at once.

    Tune stops, saves and returns as if all were well on SIGUSR1; it has the same for SIGINT, but then nothing
    can tell an interrupted sweep from a finished one, and SIGTERM, with which a Ray job is stopped, it lacks.
    """
    interruption = Interruption()
    if threading.current_thread() is not threading.main_thread():
        yield interruption
        return

    def stop() -> None:
        if signal.getsignal(signal.SIGUSR1) == signal.SIG_DFL:  # Tune does not listen yet, or any more.
            raise Interrupted
        interruption.requested = True
        signal.raise_signal(signal.SIGUSR1)

    variable = "TUNE_DISABLE_SIGINT_HANDLER"
    disabled = os.environ.get(variable)
    os.environ[variable] = "1"
    before = signal.signal(signal.SIGUSR1, signal.SIG_DFL)
    try:
        with on_signal(stop):
            yield interruption
    finally:
        signal.signal(signal.SIGUSR1, before)
        if disabled is None:
            del os.environ[variable]
        else:
            os.environ[variable] = disabled
