"""Effective movement of a block: how much of the way that its scalars went was progress.

Source: ProFL, arXiv 2404.13349, section on block freezing (effective movement). The block
perturbation of SmartFreeze (arXiv 2408.09101) is the same ratio of Euclidean lengths (order 2), not sums.
Shapes: S = followed scalars of the active block, k = updates so far, H = rounds of the window.
"""

from collections.abc import Sequence
from itertools import pairwise
from typing import Any

import numpy as np
from numpy.typing import NDArray

Snapshots = Sequence[NDArray[Any]]
"""Arrays [S]: the scalars before the first round and after each round that changed them (p_0 ... p_k)."""


def movement_history(snapshots: Snapshots, window_rounds: int, order: int = 1) -> list[float | None]:
    """Return the effective movement after every update 1 ... k (index 0: after the first one).

    EM_k = |p_k - p_{k-H}|_1 / sum of |U_{k-h}|_1 over h < H, H = `window_rounds`, in [0, 1]; `order`: of the
    norms. A ratio of sums over all scalars, computed in float64; 0 when every update of the window is zero.
    None with fewer than H updates, or when a scalar of the window is not finite (the training diverged: no
    movement is defined).
    """
    assert window_rounds >= 1 and len(snapshots) >= 1
    lengths = [_distance(before, after, order) for before, after in pairwise(snapshots)]
    history: list[float | None] = []
    for k in range(1, len(snapshots)):
        if k < window_rounds:
            history.append(None)
            continue
        travelled = sum(lengths[k - window_rounds : k])
        moved = _distance(snapshots[k - window_rounds], snapshots[k], order)
        history.append(_ratio(moved, travelled))
    return history


def sample_indices(num_scalars_total: int, limit: int, generator: np.random.Generator) -> NDArray[np.int64]:
    """Return the sorted indices [min(total, limit)] of the scalars to follow, drawn once per step.

    All of them, without touching `generator`, when there are at most `limit`.
    """
    assert num_scalars_total >= 0 and limit >= 1
    if num_scalars_total <= limit:
        return np.arange(num_scalars_total, dtype=np.int64)
    drawn = generator.choice(num_scalars_total, size=limit, replace=False, shuffle=False)
    return np.sort(drawn).astype(np.int64)


def _distance(before: NDArray[Any], after: NDArray[Any], order: int) -> float:
    """Return |after - before| in float64, the norm of `order`; nan or inf where a scalar is not finite."""
    assert before.shape == after.shape and before.ndim == 1
    # A diverged run subtracts inf from inf; that is an answer (nan) here, not a fault to warn about.
    with np.errstate(invalid="ignore", over="ignore"):
        steps = after.astype(np.float64) - before.astype(np.float64)
        return float(np.abs(steps).sum() if order == 1 else np.sqrt(np.square(steps).sum()))


def _ratio(moved: float, travelled: float) -> float | None:
    if not (np.isfinite(moved) and np.isfinite(travelled)):
        return None
    if travelled == 0:
        return 0.0
    return min(moved / travelled, 1.0)  # rounding may lift a steady drift a hair above 1
