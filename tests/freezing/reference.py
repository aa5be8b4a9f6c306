"""What tests of freezing compare with."""

from collections.abc import Sequence
from itertools import pairwise

from profl_ray.freezing import FreezeRule, movement_history
from profl_ray.freezing.movement import Snapshots


def effective_movement(snapshots: Snapshots, window_rounds: int, order: int = 1) -> float | None:
    """Return the effective movement after the last update, from the window's snapshots alone."""
    if len(snapshots) <= window_rounds:
        return None
    return movement_history(snapshots[-(window_rounds + 1) :], window_rounds, order)[-1]


def replay(
    rule: FreezeRule, snapshots: Snapshots, rounds: Sequence[int], rounds_done: int | None = None
) -> int | None:
    """Return the first round of a recorded step at which `rule` freezes, or None.

    rounds: for each snapshot the round of the step after which it was taken, rising from rounds[0] = 0;
    rounds that are missing are those in which no device trained. rounds_done: the last round of the recording
    (default: rounds[-1]), for a recording that ends with rounds in which no device trained.
    """
    assert len(rounds) == len(snapshots) and rounds[0] == 0
    last = rounds[-1] if rounds_done is None else rounds_done
    assert last >= rounds[-1] and all(before < after for before, after in pairwise(rounds))
    seen = 1
    for done in range(1, last + 1):
        if seen < len(rounds) and rounds[seen] == done:
            seen += 1
        if rule.decide(snapshots[:seen], done).freeze:
            return done
    return None
