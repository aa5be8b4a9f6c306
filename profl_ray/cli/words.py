"""What a command prints: words that cannot be written are dropped, and never end what is being done.

A pipe is closed (Ctrl-C ends `tee`, too), the disk under a log is full, a terminal is gone: the training goes
on, its results are in MLflow and on the disk.
"""

import errno
import io
import os
import select
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from typing import TextIO, cast


class Words(io.FileIO):
    """A file that takes everything; `lost` is why the system did not, `undelivered` why it lacks a result."""

    def __init__(self, descriptor: int) -> None:
        super().__init__(descriptor, "w", closefd=False)
        self.lost: OSError | None = None
        self.undelivered = ""

    def write(self, data: "bytes | memoryview") -> int:  # type: ignore[override]
        """Write all of it, and return its length whatever came of it."""
        left = memoryview(data).cast("B")
        size = len(left)
        try:
            while left:
                written = super().write(left)
                if written is None:  # A full pipe that its other end made one that does not block.
                    select.select([], [self], [])
                else:
                    left = left[written:]
        except OSError as error:
            self.lost = error
        return size


def protect_output() -> None:
    """From now on let standard output and standard error take everything.

    Lines are written at once, as into a job's log; characters that the output's encoding lacks are escaped.
    What captures them already, as a test does, is left alone.
    """
    # Closed when we were started: the next file would get the number, and be written into by all.
    while (descriptor := os.open(os.devnull, os.O_RDWR)) <= 2:
        pass
    os.close(descriptor)
    if sys.stdout is sys.__stdout__:
        sys.stdout = _protected(sys.stdout, 1)
    if sys.stderr is sys.__stderr__:
        sys.stderr = _protected(sys.stderr, 2)


def _protected(stream: TextIO | None, descriptor: int) -> TextIO:
    # Not buffered: a signal's handler may print in the middle of another line's writing.
    return io.TextIOWrapper(
        cast(io.BufferedWriter, Words(descriptor)),
        encoding="utf-8" if stream is None else stream.encoding,
        errors="backslashreplace" if stream is None or stream.errors == "strict" else stream.errors,
        line_buffering=True,
    )


@contextmanager
def results() -> Iterator[None]:
    """Have the command fail, at its end, if what the block prints on standard output cannot be written.

    A reader who has left, as `head` does, wants no more: that is no failure.
    """
    output = _output()
    if output is not None:
        output.lost = None
    yield
    if output is not None and output.lost is not None and not reader_has_left():
        output.undelivered = str(output.lost.strerror)


def deliver(text: str) -> None:
    """Print a result."""
    with results():
        print(text, flush=True)


def undelivered() -> str:
    """Return why a result could not be written to standard output; empty: it was, or there is no reader."""
    output = _output()
    return "" if output is None else output.undelivered


def reader_has_left() -> bool:
    """Whether standard output has no reader any more."""
    output = _output()
    return output is not None and output.lost is not None and output.lost.errno == errno.EPIPE


def _output() -> Words | None:
    output = getattr(sys.stdout, "buffer", None)
    return output if isinstance(output, Words) else None
