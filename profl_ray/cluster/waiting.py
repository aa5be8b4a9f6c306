"""What a run or a sweep waits for while others hold it: said after some seconds, then less and less often."""

import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass

from profl_ray.cluster.placing import Bundle
from profl_ray.cluster.refusal import amounts

FIRST_SECONDS = 8.0
"""How long nothing is looked at."""
LOOK_AGAIN_SECONDS = 2.0
"""How long something must be waited for before it is said: what is asked for is a demand for a moment."""
PAUSE_SECONDS, LONGEST_PAUSE_SECONDS = 20.0, 600.0
"""Between the first line and the second; it doubles up to the longest."""


class Waiting:
    """Says through `say` what `shortage` returns (one line; empty: nothing is waited for)."""

    def __init__(
        self,
        say: Callable[[str], object],
        shortage: Callable[[], str],
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        self._say = say
        self._shortage = shortage
        self._clock = clock
        self.reset()

    def reset(self) -> None:
        """It goes on: there is nothing to wait for."""
        self._due: float | None = None
        self._pause = PAUSE_SECONDS
        self._short = False

    def look(self) -> None:
        """Say what is waited for, if it is time to; to be called again and again while nothing goes on."""
        now = self._clock()
        if self._due is None:
            self._due = now + FIRST_SECONDS
        if now < self._due:
            return
        line, was_short = self._shortage(), self._short
        self._short = bool(line)
        if not (line and was_short):
            self._due = now + LOOK_AGAIN_SECONDS
            return
        self._say(line)
        self._due = now + self._pause
        self._pause = min(LONGEST_PAUSE_SECONDS, 2 * self._pause)


@dataclass(frozen=True)
class Use:
    """A node in use."""

    total: Bundle
    free: Bundle
    held: Bundle
    """By our job's own process."""


def shortage(waiting: Sequence[Bundle], placed: Sequence[Bundle], nodes: Sequence[Use]) -> str:
    """Return a line that says what `waiting` needs and who has it; `placed`: what we have already."""
    ours = amounts(placed)
    words = [_of_kind(kind, needed, ours.get(kind, 0.0), nodes) for kind, needed in amounts(waiting).items()]
    return f"waiting for {'; for '.join(words)}" if words else ""


def _of_kind(kind: str, needed: float, ours: float, nodes: Sequence[Use]) -> str:
    total, own = (
        amounts([n.total for n in nodes]).get(kind, 0.0),
        amounts([n.held for n in nodes]).get(kind, 0.0),
    )
    rests = sorted((node.free.get(kind, 0.0) for node in nodes), reverse=True)
    others = max(0.0, round(total - sum(rests) - own - ours, 4))
    words = f"{needed:g} {kind}: the cluster has {total:g}, {others:g} of them held by others"
    if own:
        words += f", {own:g} by the job's own process"
    if sum(rests) >= needed:  # Enough in sum, but not where it lies.
        words += f", free on its nodes: {', '.join(f'{rest:g}' for rest in rests[:6] if rest)}"
    return words
