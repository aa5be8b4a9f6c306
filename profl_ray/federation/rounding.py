"""Cut a whole number into whole parts that keep the sum."""

import numpy as np


def apportion(total: int, weights: np.ndarray) -> np.ndarray:
    """Return int64 parts of `total`, proportional to the non-negative `weights` [n], that sum to `total`.

    Largest remainders are rounded up, ties in order. With whole weights that sum to at least `total`, no part
    exceeds its weight.
    """
    assert total >= 0 and weights.min() >= 0 and weights.sum() > 0
    exact = weights * total / weights.sum()
    parts = np.floor(exact).astype(np.int64)
    missing = total - int(parts.sum())
    assert 0 <= missing <= len(parts)
    parts[np.argsort(parts - exact, kind="stable")[:missing]] += 1
    return parts
