"""Who trains in a round: a draw among the devices that can afford the step."""

import numpy as np


def draw_cohort(eligible: np.ndarray, cohort_size: int, generator: np.random.Generator) -> np.ndarray:
    """Return the ascending ids of `cohort_size` devices drawn from `eligible` without replacement.

    If fewer are eligible, all of them (none of none). The draw does not depend on the order of the ids.
    """
    assert cohort_size > 0
    candidates = np.sort(np.asarray(eligible, np.int64))
    if len(candidates) <= cohort_size:
        return candidates
    return np.sort(generator.choice(candidates, cohort_size, replace=False))
