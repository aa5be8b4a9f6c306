"""Ctrl-C and SIGTERM end a sweep in order: running trials are closed, and the sweep can be resumed."""

import os
import signal
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from types import FrameType


class Interruption:
    """Whether the sweep was asked to stop."""

    def __init__(self) -> None:
        self.requested = False

    def between_fits(self) -> None:
        """Forget the listener of a Tune that has ended, so that a signal now ends the sweep at once.

        Raises KeyboardInterrupt if there was one already.
        """
        if threading.current_thread() is threading.main_thread():
            signal.signal(signal.SIGUSR1, signal.SIG_DFL)
        if self.requested:
            raise KeyboardInterrupt


@contextmanager
def tune_stops_on_signal() -> Iterator[Interruption]:
    """Let the first Ctrl-C or SIGTERM stop Tune as it stops by itself, and a second one at once.

    Tune stops, saves and returns as if all were well on SIGUSR1; it has the same for SIGINT, but then nobody
    can tell an interrupted sweep from a finished one, and SIGTERM, with which a Ray job is stopped, it lacks.
    """
    interruption = Interruption()
    if threading.current_thread() is not threading.main_thread():
        yield interruption
        return

    def handle(signum: int, frame: FrameType | None) -> None:
        # Before Tune listens and after a first signal there is nothing to wait for.
        if interruption.requested or signal.getsignal(signal.SIGUSR1) == signal.SIG_DFL:
            raise KeyboardInterrupt
        interruption.requested = True
        signal.raise_signal(signal.SIGUSR1)

    variable, numbers = "TUNE_DISABLE_SIGINT_HANDLER", (signal.SIGINT, signal.SIGTERM)
    disabled = os.environ.get(variable)
    os.environ[variable] = "1"
    before = {number: signal.signal(number, handle) for number in numbers}
    before[signal.SIGUSR1] = signal.signal(signal.SIGUSR1, signal.SIG_DFL)
    try:
        yield interruption
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)
        if disabled is None:
            del os.environ[variable]
        else:
            os.environ[variable] = disabled
