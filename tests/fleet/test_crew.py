"""Actors that die, freeze, dawdle or find no room: the work is done all the same, and in its order."""

import os
import random
import signal
import time

import pytest

from profl_ray.errors import UserError

from .kit import eventually, is_running

pytestmark = pytest.mark.ray


def echo_class():
    """Return the class of the actors; local, so that it travels to them whole."""
    import ray

    class Echo:
        def ping(self):
            return os.getpid()

        def echo(self, value, seconds=0.0):
            time.sleep(seconds)
            return value

        def fail(self):
            raise ZeroDivisionError("a bug")

    return ray.remote(Echo)


@pytest.fixture
def make_crew(local_ray):
    from profl_ray.fleet.crew import Crew

    crews, echo = [], echo_class()

    def make(num_actors=2, start_timeout=60.0, deadline=60.0, **options):
        actor = echo.options(**{"num_cpus": 0.1} | options)
        crews.append(Crew(lambda: actor.remote(), num_actors, start_timeout, deadline))
        return crews[-1]

    yield make
    for crew in crews:
        crew.close()


def echoes(*values, seconds=0.0, slot=None):
    from profl_ray.fleet.crew import Call

    return [Call(i, "echo", (value, seconds), slot) for i, value in enumerate(values)]


def pids(crew):
    import ray

    return ray.get([actor.ping.remote() for actor in crew.actors], timeout=60)


def test_results_are_in_the_order_of_the_calls_whatever_the_order_of_completion(make_crew, monkeypatch):
    import ray

    crew, wait, draw = make_crew(3), ray.wait, random.Random(1)
    orders = set()

    def wait_for_all_and_take_any(refs, num_returns, timeout):
        ready, _ = wait(refs, num_returns=len(refs), timeout=timeout)
        chosen = draw.randrange(len(ready))
        orders.add(chosen)
        return [ready[chosen]], []

    monkeypatch.setattr(ray, "wait", wait_for_all_and_take_any)
    values = list(range(20))
    assert crew.play(echoes(*values)) == values
    assert len(orders) > 2, "they were taken out of order"


def test_results_are_given_as_soon_as_it_is_their_turn_and_not_held(make_crew):
    crew = make_crew(1)
    results = crew.stream([*echoes("first"), *_later(echoes("second", seconds=3600.0))])
    assert next(results) == "first", "the second is not waited for"
    assert [next(iter(slot.calls.values())).index for slot in crew.slots] == [1]
    results.close()
    assert not any(slot.calls for slot in crew.slots)


def _later(calls):
    for call in calls:
        call.index += 1
    return calls


def test_a_frozen_actor_is_ended_after_the_deadline_and_replaced(make_crew):
    crew = make_crew(deadline=1.5)
    frozen, other = pids(crew)
    os.kill(frozen, signal.SIGSTOP)
    assert crew.play(echoes(1, 2, 3, 4, 5)) == [1, 2, 3, 4, 5]
    assert crew.num_lost == 1
    after = pids(crew)
    assert other in after and frozen not in after and len(after) == 2
    eventually(lambda: not is_running(frozen))


def test_work_that_always_takes_too_long_is_told(make_crew):
    crew = make_crew(1, deadline=0.3)
    with pytest.raises(UserError, match=r"3 times not done .* fleet\.deadline_seconds=0\.3: raise it"):
        crew.play(echoes(1, seconds=30.0))


def test_a_long_queue_is_not_taken_for_a_frozen_actor(make_crew):
    """The deadline is for one call, not for all that wait behind it."""
    crew = make_crew(1, deadline=1.5)
    assert crew.play(echoes(*range(8), seconds=0.4)) == list(range(8))
    assert crew.num_lost == 0


def test_the_others_do_the_work_of_an_actor_that_finds_no_room_any_more(make_crew, monkeypatch):
    import ray

    crew = make_crew(start_timeout=3.0)
    lost, kept = pids(crew)
    start = crew._start
    monkeypatch.setattr(crew, "_start", lambda: _with_too_many_cpus())
    os.kill(lost, signal.SIGKILL)
    assert crew.play(echoes(1, 2, 3, seconds=0.2)) == [1, 2, 3]
    for slot in (0, 1):  # A call that is meant for the missing one is done by another.
        assert crew.play(echoes(4, 5, seconds=2.0, slot=slot)) == [4, 5]
    ready = [slot.actor for slot in crew.slots if slot.ready]
    assert ray.get([actor.ping.remote() for actor in ready]) == [kept]
    monkeypatch.setattr(crew, "_start", start)
    assert crew.play(echoes(6, 7, seconds=1.0)) == [6, 7]
    eventually(lambda: crew.play(echoes(8, 9)) == [8, 9] and len(crew.actors) == 2)


def _with_too_many_cpus():
    return echo_class().options(num_cpus=1000).remote()


def test_no_room_for_any_is_a_users_mistake(make_crew, monkeypatch):
    crew = make_crew(1, start_timeout=2.0)
    monkeypatch.setattr(crew, "_start", _with_too_many_cpus)
    os.kill(pids(crew)[0], signal.SIGKILL)
    with pytest.raises(UserError, match=r"did not start within fleet\.start_timeout_seconds=2: are"):
        crew.play(echoes(1))


def test_an_actor_that_fails_as_it_starts_says_why(local_ray):
    import ray

    from profl_ray.fleet.crew import Crew

    class Broken:
        def __init__(self):
            raise OSError("no such card")

        def ping(self):
            """Answer, if it came so far."""

    broken = ray.remote(Broken).options(num_cpus=0.1)
    with pytest.raises(UserError, match=r"died while it started: OSError: no such card$"):
        Crew(broken.remote, 2, 60.0, 60.0)


def test_an_error_of_the_work_leaves_the_crew_usable(make_crew):
    from profl_ray.fleet.crew import Call

    crew = make_crew()
    before = pids(crew)
    with pytest.raises(ZeroDivisionError, match="a bug"):
        crew.play([*echoes(1, 2), Call(2, "fail", ())])
    assert crew.play(echoes(3, 4)) == [3, 4]
    assert pids(crew) == before
