"""The signals that end a command: Ctrl-C, SIGTERM, and SIGHUP of a terminal that is gone.

`cli/main.py` hears them from its first line on. A part of a command that ends more tidily than by
`Interrupted` says how (`on_signal`), for as long as it lasts. What is ignored when we are started, as
SIGHUP under nohup and SIGINT in a script's background job, stays ignored.
"""

import os
import signal
import sys
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from types import FrameType
from typing import Any

ENDING = tuple(getattr(signal, name) for name in ("SIGINT", "SIGTERM", "SIGHUP") if hasattr(signal, name))
"""What ends a command."""
REPEAT_SECONDS = 0.2
"""One wish may come as several signals: timeout(1) sends each twice, to us and to our group."""
_HANG_UP = getattr(signal, "SIGHUP", None)

Handler = Callable[[int, FrameType | None], object]


class Interrupted(KeyboardInterrupt):
    """A signal asks for the end.

    After KeyboardInterrupt itself Python forgets the exit code, if it came while C code ran Python code.
    """


class _Heard:
    """When a signal was last heard, and whether one ended the command."""

    at = -REPEAT_SECONDS
    interrupted = False

    def again(self) -> bool:
        """Whether the signal that has just come belongs to the one before it."""
        now = time.monotonic()
        if now - self.at < REPEAT_SECONDS:
            return True
        self.at = now
        return False


_heard = _Heard()


def hear_until_exit() -> None:
    """From now on let a signal say so, and raise Interrupted."""
    _heard.interrupted = False

    def handle(number: int, _: FrameType | None) -> None:
        if not _heard.again():
            _heard.interrupted = True
            print("interrupted", file=sys.stderr, flush=True)
            raise Interrupted

    for number in _not_ignored():
        signal.signal(number, handle)


def was_interrupted() -> bool:
    """Whether a signal that nothing else handled asked for the end: other errors may have come of it."""
    return _heard.interrupted


def leave_to_system() -> None:
    """Let a signal end the process: there is nothing left to tidy up."""
    for number in _not_ignored():
        signal.signal(number, signal.SIG_DFL)


@contextmanager
def handled(handle: Handler) -> Iterator[None]:
    """Let `handle` hear the signals that end a command; does nothing outside the main thread."""
    before = {number: signal.getsignal(number) for number in _not_ignored()}
    for number in before:
        signal.signal(number, handle)
    try:
        yield
    finally:
        for number, old in before.items():
            signal.signal(number, old)


@contextmanager
def interruptible() -> Iterator[None]:
    """Let a signal raise Interrupted, and nothing else: who catches it finds the words."""

    def interrupt() -> None:
        raise Interrupted

    with on_signal(interrupt):
        yield


@contextmanager
def on_signal(first: Callable[[], object]) -> Iterator[None]:
    """Let the first signal call `first`, and a later one raise Interrupted; so may `first`.

    Once that is raised the block ends with it, though where code cannot be interrupted, as in the middle of
    an import or of an object's removal, another error is made of it, or it is dropped. SIGHUP is never the
    second: of a terminal that closes, the kernel tells, and the shell once more.
    """
    asked = interrupted = False

    def handle(number: int, _: FrameType | None) -> None:
        nonlocal asked, interrupted
        if _heard.again() or (asked and number == _HANG_UP):
            return
        try:
            if asked:
                raise Interrupted
            asked = True
            first()
        except KeyboardInterrupt:
            interrupted = True
            raise

    try:
        with handled(handle):
            yield
    except Exception as error:
        if interrupted:
            raise Interrupted from error
        raise
    if interrupted:
        raise Interrupted


@contextmanager
def held() -> Iterator[None]:
    """Hold a signal back until the block has ended, so that what it begins is known to who must end it.

    A later one raises Interrupted at once.
    """
    noted, at = 0, 0.0

    def handle(number: int, _: FrameType | None) -> None:
        nonlocal noted, at
        if not noted:
            noted, at = number, time.monotonic()
        elif number != _HANG_UP and time.monotonic() - at >= REPEAT_SECONDS:
            noted = 0
            raise Interrupted

    try:
        with handled(handle):
            yield
    finally:
        if noted:
            signal.raise_signal(noted)


@contextmanager
def uninterrupted() -> Iterator[None]:
    """Ignore the signals while we clean up (bounded by the clean-up's own time limits)."""
    with handled(signal.SIG_IGN):  # type: ignore[arg-type]
        yield


@contextmanager
def handlers_kept() -> Iterator[None]:
    """Keep the handlers as they are while a library starts or ends that would set its own.

    Ray's of SIGTERM waits for the work of a node to end, and then exits as after a failure.
    """
    if threading.current_thread() is not threading.main_thread():
        yield
        return
    set_handler = signal.signal

    def keep(number: int, handler: Any) -> Any:
        return signal.getsignal(number) if number in ENDING else set_handler(number, handler)

    signal.signal = keep  # type: ignore[assignment]
    try:
        yield
    finally:
        signal.signal = set_handler
        for number in _not_ignored():  # Where native code has set one, Python does not know.
            signal.signal(number, signal.getsignal(number))


def _not_ignored() -> list[signal.Signals]:
    if threading.current_thread() is not threading.main_thread():
        return []
    # None: a handler that is not Python's, which we could not put back.
    return [number for number in ENDING if signal.getsignal(number) not in (signal.SIG_IGN, None)]


_apart = False


def _leave_group() -> None:
    if _apart:
        os.setpgid(0, 0)


if hasattr(os, "register_at_fork"):
    os.register_at_fork(after_in_child=_leave_group)


@contextmanager
def children_apart() -> Iterator[None]:
    """Give the children that are started with a `preexec_fn` process groups of their own, as Ray's are.

    Ctrl-C, timeout(1) and a closing terminal signal our whole group: what we need to end in order must not
    be gone before we have begun to.
    """
    global _apart
    _apart = True
    try:
        yield
    finally:
        _apart = False
