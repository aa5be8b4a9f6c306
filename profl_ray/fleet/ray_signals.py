"""Ray sets handlers of its own when it starts, and the system's when it ends; ours are kept."""

import ctypes
import signal
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

from profl_ray.signals import ENDING

_LOOK_SECONDS = 0.001
_STRUCT_BYTES = 512
"""More than a `struct sigaction` has anywhere."""


@contextmanager
def handlers_kept() -> Iterator[None]:
    """Keep the handlers of the signals that end a command while Ray starts or ends.

    Its Python code sets a handler of SIGTERM that waits for a node's work to end, and then exits as after a
    failure. Its C++ code sets one that shows a stack and aborts, and the system's own when it ends; from
    Python nothing can be seen of these, so a thread looks after the system's table.
    """
    if threading.current_thread() is not threading.main_thread():
        yield
        return
    set_handler = signal.signal

    def keep(number: int, handler: Any) -> Any:
        return signal.getsignal(number) if number in ENDING else set_handler(number, handler)

    done = threading.Event()
    guard = threading.Thread(target=_restore_until, args=(done, _handlers_of_the_system()), daemon=True)
    signal.signal = keep  # type: ignore[assignment]
    guard.start()
    try:
        yield
    finally:
        done.set()
        guard.join()
        signal.signal = set_handler
        for number in ENDING:
            if (handler := signal.getsignal(number)) is not None:
                set_handler(number, handler)


def _handlers_of_the_system() -> dict[int, Any]:
    found = {int(number): ctypes.create_string_buffer(_STRUCT_BYTES) for number in ENDING}
    for number, action in found.items():
        ctypes.CDLL(None).sigaction(number, None, action)
    return found


def _restore_until(done: threading.Event, handlers: dict[int, Any]) -> None:
    system = ctypes.CDLL(None)
    while not done.wait(_LOOK_SECONDS):
        for number, action in handlers.items():
            system.sigaction(number, action, None)
