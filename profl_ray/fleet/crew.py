"""The client actors of one trial as a crew: they get calls, die, freeze and are replaced.

Calls go to any actor that is free; results are put back into the order of the calls. A call's result does
not depend on who does it, so what a lost actor was doing is requeued and nothing changes.
"""

import time
from collections import deque
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass, field
from typing import Any

import ray
from ray.exceptions import (
    ActorDiedError,
    ActorUnavailableError,
    GetTimeoutError,
    NodeDiedError,
    ObjectLostError,
    OutOfMemoryError,
    WorkerCrashedError,
)

from profl_ray.errors import UserError

LOST = (
    ActorDiedError,
    ActorUnavailableError,
    NodeDiedError,
    ObjectLostError,
    OutOfMemoryError,
    WorkerCrashedError,
)
"""What the end of an actor, of its node or of its result looks like; all else is the work's own error."""
MAX_LOSSES = 20
"""Actors that may be lost in one `play` before the crew gives up."""
MAX_OVERDUE = 3
"""Times that one call may pass the deadline."""
CALLS_AHEAD = 2
"""Calls that an actor holds, so that it never waits for the next."""
LONGEST_PAUSE_SECONDS = 5.0


@dataclass
class Call:
    """One thing to do, by `method` of an actor."""

    index: int
    method: str
    arguments: tuple[Any, ...]
    slot: int | None = None
    """The actor that should do it; None: any that is free."""
    num_overdue: int = 0


@dataclass
class Slot:
    """The place of one actor."""

    actor: Any = None
    """None: it could not be started."""
    ping: ray.ObjectRef | None = None
    """Its first answer, until it has come."""
    calls: dict[ray.ObjectRef, Call] = field(default_factory=dict)
    since: float = 0.0
    """Clock when it last began or finished something, in seconds."""

    @property
    def ready(self) -> bool:
        """Whether it takes calls."""
        return self.actor is not None and self.ping is None


class Crew:
    """Client actors that are started by `start`.

    Raises UserError if they are not all there within `start_timeout_seconds`. An actor that works longer than
    `deadline_seconds` at one call is taken for frozen, ended and replaced.
    """

    def __init__(
        self,
        start: Callable[[], Any],
        num_actors: int,
        start_timeout_seconds: float,
        deadline_seconds: float,
    ) -> None:
        self._start = start
        self._start_timeout_seconds = start_timeout_seconds
        self._deadline_seconds = deadline_seconds
        self.num_lost = 0
        """Actors that were lost and replaced so far."""
        self.slots = [Slot(start()) for _ in range(num_actors)]
        try:
            ray.get([slot.actor.ping.remote() for slot in self.slots], timeout=start_timeout_seconds)
        except GetTimeoutError:
            self.close()
            raise self._no_room() from None
        except LOST as error:
            self.close()
            raise UserError(f"a client actor died while it started: {last_line(error)}") from error

    @property
    def actors(self) -> list[Any]:
        """The actors that are there, or starting."""
        return [slot.actor for slot in self.slots if slot.actor is not None]

    def close(self) -> None:
        """End the actors."""
        for actor in self.actors:
            ray.kill(actor)
        self.slots = []

    def play(self, calls: Sequence[Call]) -> list[Any]:
        """Do the calls and return their results in the order of the calls."""
        return list(self.stream(calls))

    def stream(self, calls: Sequence[Call]) -> Iterator[Any]:
        """Do the calls and yield their results in the order of the calls, as soon as they are there.

        What was yielded is not held any longer; what came before its turn is.
        """
        results: dict[int, Any] = {}
        in_order = [call.index for call in reversed(calls)]
        waiting = deque(calls)
        num_lost_before = self.num_lost
        for slot in self.slots:
            if slot.actor is None:
                self._restart(slot)  # Perhaps there is room again.
        try:
            while in_order:
                if in_order[-1] in results:
                    yield results.pop(in_order.pop())
                    continue
                self._give_out(waiting)
                ready = self._next_ready()
                if ready is None:
                    self._replace_overdue(waiting)
                    continue
                slot = next(slot for slot in self.slots if ready in slot.calls or ready == slot.ping)
                try:
                    answer = ray.get(ready)
                except LOST as error:
                    self._replace(slot, waiting, error, self.num_lost - num_lost_before)
                    continue
                slot.since = time.monotonic()
                if ready == slot.ping:
                    slot.ping = None
                else:
                    results[slot.calls.pop(ready).index] = answer
                del answer  # Or it would be held until the next has come.
        finally:
            for slot in self.slots:
                slot.calls.clear()

    def _give_out(self, waiting: deque[Call]) -> None:
        """Give the first calls to actors that have room for more."""
        for call in list(waiting):
            wished = None if call.slot is None else self.slots[call.slot]
            able = [slot for slot in self.slots if slot.ready]
            if wished is not None and wished.actor is not None:
                able = [slot for slot in able if slot is wished]
            slot = min(able, key=lambda slot: len(slot.calls), default=None)
            if slot is None or len(slot.calls) >= CALLS_AHEAD:
                if wished is None:
                    return
                continue
            waiting.remove(call)
            if not slot.calls:
                slot.since = time.monotonic()
            slot.calls[getattr(slot.actor, call.method).remote(*call.arguments)] = call

    def _next_ready(self) -> ray.ObjectRef | None:
        """Wait for the next answer; None when an actor's time is over before one has come."""
        refs = [ref for slot in self.slots for ref in _awaited(slot)]
        assert refs, "calls wait, and no actor is there or starting"
        ends = [slot.since + self._patience_seconds(slot) for slot in self.slots if any(_awaited(slot))]
        ready, _ = ray.wait(refs, num_returns=1, timeout=max(0.0, min(ends) - time.monotonic()))
        return ready[0] if ready else None

    def _patience_seconds(self, slot: Slot) -> float:
        return self._deadline_seconds if slot.ping is None else self._start_timeout_seconds

    def _replace_overdue(self, waiting: deque[Call]) -> None:
        """End the actors whose time is over."""
        now = time.monotonic()
        overdue = [s for s in self.slots if any(_awaited(s)) and now >= s.since + self._patience_seconds(s)]
        for slot in overdue:
            ray.kill(slot.actor)
            if slot.ping is not None:
                # There is no room for it any more, perhaps since a node was lost: the others do its work.
                slot.actor = slot.ping = None
                if not self.actors:
                    raise self._no_room()
                continue
            late = next(iter(slot.calls.values()))
            late.num_overdue += 1
            if late.num_overdue >= MAX_OVERDUE:
                raise UserError(
                    f"client actors were {MAX_OVERDUE} times not done with the same work within "
                    f"fleet.deadline_seconds={self._deadline_seconds:g}: raise it, or cut the cohort into "
                    "more pieces (fleet.cohort_groups)"
                )
            self._take_back(slot, waiting)
            self._restart(slot)

    def _replace(self, slot: Slot, waiting: deque[Call], error: Exception, num_before: int) -> None:
        """Start a new actor in the place of a lost one."""
        if num_before >= MAX_LOSSES:
            raise RuntimeError(f"{num_before + 1} client actors were lost in one call: {error}") from error
        if isinstance(error, OutOfMemoryError) or slot.ping is not None:
            # What killed it may still be there: give it time to pass.
            time.sleep(min(LONGEST_PAUSE_SECONDS, 0.25 * 2**num_before))
        ray.kill(slot.actor)  # It may live, out of reach, and hold its CPUs.
        self._take_back(slot, waiting)
        self._restart(slot)

    def _take_back(self, slot: Slot, waiting: deque[Call]) -> None:
        waiting.extendleft(reversed(slot.calls.values()))
        slot.calls.clear()
        self.num_lost += 1

    def _restart(self, slot: Slot) -> None:
        slot.actor = self._start()
        slot.ping = slot.actor.ping.remote()
        slot.since = time.monotonic()

    def _no_room(self) -> UserError:
        return UserError(
            "client actors did not start within fleet.start_timeout_seconds="
            f"{self._start_timeout_seconds:g}: are there free CPUs and memory for all of them "
            "(fleet.num_actors, fleet.cpus_per_actor)?"
        )


def last_line(error: Exception) -> str:
    """Return what an actor's constructor raised: Ray puts the other process's traceback before it."""
    return str(error).strip().splitlines()[-1].strip().removeprefix(f"{UserError.__module__}.UserError: ")


def _awaited(slot: Slot) -> Iterable[ray.ObjectRef]:
    return slot.calls if slot.ping is None else [slot.ping]
