"""Learning-rate schedules: by which factor a round's rate differs from the configured one."""

import math

from profl_ray.sections import TrainingConfig

STEP_SHARES = (0.5, 0.75)
"""`step`: after these shares of the rounds ..."""
STEP_FACTOR = 0.1
"""... the rate falls to this share of what it was (He et al., CVPR 2016, for CIFAR-10)."""


def rate_factor(training: TrainingConfig, share_done: float) -> float:
    """Return the factor for a round before which `share_done` in [0, 1) of the rounds are done.

    A warm-up rises linearly over its share of the rounds; the schedule's share is that of what follows it.
    """
    warm_up = training.warm_up_share
    if share_done < warm_up:
        # The first round learns, too.
        return max(share_done, 0.01 * warm_up) / warm_up
    share = (share_done - warm_up) / (1 - warm_up)
    if training.schedule == "cosine":
        return 0.5 * (1 + math.cos(math.pi * share))
    if training.schedule == "step":
        return STEP_FACTOR ** sum(share >= fall for fall in STEP_SHARES)
    return 1.0
