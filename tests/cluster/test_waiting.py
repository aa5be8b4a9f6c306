from types import SimpleNamespace

import pytest

from profl_ray.cluster.waiting import LONGEST_PAUSE_SECONDS, Use, Waiting, shortage


@pytest.fixture
def waiting():
    """Who waits, the lines that were said (with the time), a clock to turn, and what is waited for."""
    clock = SimpleNamespace(now=0.0, line="waiting for 1 CPU", lines=[])
    said = Waiting(lambda text: clock.lines.append((clock.now, text)), lambda: clock.line, lambda: clock.now)

    def wait(seconds):
        for _ in range(int(seconds)):
            clock.now += 1.0
            said.look()

    return said, clock, wait


def test_it_is_said_after_some_seconds_and_then_ever_more_seldom(waiting):
    _, clock, wait = waiting
    clock.now = 100.0  # It begins with the first look.
    wait(11)
    assert [when for when, _ in clock.lines] == [111.0]
    wait(200)
    assert [when for when, _ in clock.lines] == [111.0, 131.0, 171.0, 251.0]
    wait(10 * LONGEST_PAUSE_SECONDS)
    times = [when for when, _ in clock.lines]
    assert times[-1] - times[-2] == LONGEST_PAUSE_SECONDS, "but not ever less"


def test_nothing_is_said_where_nothing_is_waited_for(waiting):
    said, clock, wait = waiting
    clock.line = ""
    wait(60)
    assert clock.lines == []
    clock.line = "waiting for 2 CPU"
    wait(4)
    assert len(clock.lines) == 1, "it is looked at again and again"
    said.reset()
    wait(10)
    assert len(clock.lines) == 1
    wait(1)
    assert len(clock.lines) == 2


def test_what_is_waited_for_but_a_moment_is_not_said(waiting):
    _, clock, wait = waiting
    for _ in range(20):
        wait(2)
        clock.line = "" if clock.line else "waiting for 1 CPU"
    assert clock.lines == []


def test_the_numbers_say_who_has_it():
    nodes = [Use({"CPU": 4.0}, {"CPU": 1.0}, {"CPU": 1.0}), Use({"CPU": 4.0}, {}, {})]
    assert shortage([{"CPU": 1.0}] * 3, [], nodes) == (
        "waiting for 3 CPU: the cluster has 8, 6 of them held by others, 1 by the job's own process"
    )
    # Two of three actors are there.
    ours = shortage([{"CPU": 2.0}], [{}, {"CPU": 2.0}, {"CPU": 2.0}], [Use({"CPU": 6.0}, {"CPU": 1.0}, {})])
    assert ours == "waiting for 2 CPU: the cluster has 6, 1 of them held by others"
    assert shortage([], [], nodes) == shortage([{}], [], nodes) == ""


def test_room_that_lies_elsewhere_is_shown():
    nodes = [Use({"CPU": 3.0, "GPU": 1.0}, {"CPU": 1.0}, {}), Use({"CPU": 3.0}, {"CPU": 1.0}, {})]
    assert shortage([{"CPU": 2.0, "GPU": 0.5}], [], nodes) == (
        "waiting for 2 CPU: the cluster has 6, 4 of them held by others, free on its nodes: 1, 1; "
        "for 0.5 GPU: the cluster has 1, 1 of them held by others"
    )
