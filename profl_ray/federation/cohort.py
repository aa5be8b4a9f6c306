"""Who trains in a round: a draw among the devices that can afford the step."""

import numpy as np


def eligible_devices(quotas_mib: np.ndarray, need_mib: float) -> np.ndarray:
    """Return the ascending ids (int64) of the devices whose quota covers the need.

    `quotas_mib` is float64 [num_devices], by device id.
    """
    return np.flatnonzero(quotas_mib >= need_mib)


def draw_cohort(eligible: np.ndarray, cohort_size: int, generator: np.random.Generator) -> np.ndarray:
    """Return the ascending ids of `cohort_size` devices drawn from `eligible` without replacement.

    If fewer are eligible, all of them (none of none). The draw does not depend on the order of the ids.
    """
    assert cohort_size > 0
    candidates = np.sort(np.asarray(eligible, np.int64))
    if len(candidates) <= cohort_size:
        return candidates
    return np.sort(generator.choice(candidates, cohort_size, replace=False))
