"""What the tests of this room share."""

import os
import time
from collections.abc import Callable, Iterator

import pytest

from profl_ray.launch.head import LocalHead


@pytest.fixture(scope="package")
def head() -> Iterator[LocalHead]:
    """One head of one CPU for all that only send it something."""
    # Ray's client reads the token once in the life of a process, and did so when it was first imported here.
    with LocalHead(num_cpus=1, token=os.environ["RAY_AUTH_TOKEN"]) as running:
        yield running


@pytest.fixture
def eventually() -> Callable[[Callable[[], bool]], None]:
    """Wait for a condition, at most ten seconds."""

    def wait(condition: Callable[[], bool]) -> None:
        deadline = time.monotonic() + 10.0
        while not condition():
            assert time.monotonic() < deadline, "not in time"
            time.sleep(0.05)

    return wait
