"""What still has to reach MLflow: kept in order, tried again, and counted when it is lost."""

import time
from collections import deque
from collections.abc import Callable
from dataclasses import dataclass

from profl_ray.tracking.client import is_refusal, reason


@dataclass(frozen=True)
class Parcel:
    """One thing to send. `send` must be safe to repeat: a call that failed may have arrived."""

    send: Callable[[], object]
    size: int
    """Points (or files) in it."""
    path: str = ""
    """The file that it writes whole, if any: a newer one takes its place."""


class Outbox:
    """A bounded queue that sends in order and never raises."""

    def __init__(self, max_parcels: int = 5000, clock: Callable[[], float] = time.monotonic) -> None:
        self.lost = 0
        """Points that were given up."""
        self.last_error = ""
        self._max_parcels = max_parcels
        self._clock = clock
        self._waiting: deque[Parcel] = deque()
        self._quiet_until = 0.0

    @property
    def waiting(self) -> int:
        """Points that are not delivered yet."""
        return sum(parcel.size for parcel in self._waiting)

    def add(self, parcel: Parcel) -> None:
        """Queue `parcel`; the oldest one is lost if the queue is full.

        An older version of the same file is no longer wanted, and not counted as lost.
        """
        if parcel.path:
            self._waiting = deque(waiting for waiting in self._waiting if waiting.path != parcel.path)
        if len(self._waiting) >= self._max_parcels:
            self.lost += self._waiting.popleft().size
        self._waiting.append(parcel)

    def flush(self, *, force: bool = False) -> bool:
        """Send what waits; return whether nothing is left.

        After a failure, tries pause for ten times as long as the failed one took, so that a store that is
        away costs at most a tenth of the training's time. `force` tries all the same.
        """
        if not force and self._clock() < self._quiet_until:
            return False
        while self._waiting:
            started = self._clock()
            try:
                self._waiting[0].send()
            except Exception as error:
                # Whatever a tracking store raises, training continues.
                self.last_error = reason(error)
                if not is_refusal(error):
                    now = self._clock()
                    self._quiet_until = now + 10 * (now - started)
                    return False
                # It would be refused for ever, and would hold up all that comes after it.
                self.lost += self._waiting[0].size
            self._waiting.popleft()
        return True

    def give_up(self) -> int:
        """Count all that waits as lost and return everything lost so far."""
        self.lost += self.waiting
        self._waiting.clear()
        return self.lost
