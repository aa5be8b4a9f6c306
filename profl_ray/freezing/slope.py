"""Slope of the effective movement: the quantity that the freeze rule tests.

Source: ProFL, arXiv 2404.13349, section on block freezing. The slope is tested, never the level,
because the level at which the movement settles depends on the noise (drift 1, walk 1/sqrt(H), jitter 1/H).
"""

from collections.abc import Sequence

import numpy as np


def slope(movements: Sequence[float | None], fit_rounds: int) -> float | None:
    """Return the least-squares slope through the last `fit_rounds` effective movements.

    In percentage points per round: movements in [0, 1] count 100 times. None with fewer values, or when one
    of them is None.
    """
    assert fit_rounds >= 2
    if len(movements) < fit_rounds:
        return None
    last = [movement for movement in movements[-fit_rounds:] if movement is not None]
    if len(last) < fit_rounds:
        return None
    # Taking the first value off changes no slope and makes that of a constant exactly zero.
    values = 100.0 * (np.array(last, dtype=np.float64) - last[0])
    rounds = np.arange(fit_rounds, dtype=np.float64) - (fit_rounds - 1) / 2
    return float(rounds @ values / (rounds @ rounds))


def slope_history(movements: Sequence[float | None], fit_rounds: int) -> list[float | None]:
    """Return the slope after every effective movement, each as `slope` of the history up to there."""
    starts = (max(0, end - fit_rounds) for end in range(1, len(movements) + 1))
    return [slope(movements[start:end], fit_rounds) for end, start in enumerate(starts, start=1)]
