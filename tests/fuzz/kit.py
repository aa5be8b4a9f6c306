"""Bounds on time and memory around one try, and the count of tries for the table."""

import resource
import signal
from collections import Counter
from contextlib import contextmanager
from pathlib import Path

from profl_ray.errors import UserError

SECONDS = 60
"""Nothing may hang: a try that takes longer fails."""
GROWTH_BYTES = 6 * 2**30
"""No slip of the keyboard may fill the memory: beyond it a try ends with MemoryError, and fails."""

TRIED: Counter[str] = Counter()
REFUSED: Counter[str] = Counter()


class Hangs(AssertionError):
    pass


@contextmanager
def bounded():
    """Fail if what is inside takes too long or too much memory."""

    def ring(*_):
        raise Hangs(f"not done after {SECONDS} s")

    before = signal.signal(signal.SIGALRM, ring)
    limits = resource.getrlimit(resource.RLIMIT_DATA)
    resource.setrlimit(resource.RLIMIT_DATA, (_data_bytes() + GROWTH_BYTES, limits[1]))
    signal.alarm(SECONDS)
    try:
        yield
    finally:
        signal.alarm(0)
        resource.setrlimit(resource.RLIMIT_DATA, limits)
        signal.signal(signal.SIGALRM, before)


def attempt(area, call):
    """Call; return what it returns, or None if it refused with one clear line. Anything else escapes."""
    TRIED[area] += 1
    try:
        with bounded():
            return call()
    except UserError as error:
        REFUSED[area] += 1
        assert_one_line(str(error))
        return None


def assert_one_line(text):
    assert text.strip() == text and text, repr(text)
    assert len(text.splitlines()) == 1, repr(text)
    assert text.isprintable(), repr(text)
    assert len(text) < 3000, text


def _data_bytes():
    status = Path("/proc/self/status").read_text()
    return int(status.partition("VmData:")[2].split()[0]) * 1024
