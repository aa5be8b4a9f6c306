"""Tune's run to its end, also after what Tune does not survive by itself."""

import gc
import logging
from collections.abc import Callable
from typing import Any

from profl_ray.tuning.interrupt import Interruption

MAX_RESTARTS = 3


def fit(
    tuner: Any, restored: Callable[[], Any], say: Callable[[str], None], interruption: Interruption
) -> Any:
    """Return the results of `tuner`; where Tune gives up early, continue with a restored one, a few times.

    A trial's failure is Tune's business. But some deaths of a trial's process (Ray's memory monitor ends it,
    for one) make Tune's controller raise, and with it the whole sweep would end; and a process that dies
    between two trials costs the next one all of its tries. Each restart gives a trial that has failed one
    more try, whatever the reason: Tune restores all or none. Raises KeyboardInterrupt instead of continuing
    if the user wants no more.
    """
    from ray.exceptions import RayActorError
    from ray.tune import TuneError

    # They show a traceback for every trial whose process is lost, and the ids of those that were interrupted;
    # our view says it in a line, and a trial that fails for good leaves its traceback in its folder.
    for name in ("ray.tune.execution.tune_controller", "ray.tune.tune"):
        logging.getLogger(name).setLevel(logging.CRITICAL)
    for left in reversed(range(MAX_RESTARTS + 1)):
        try:
            results = tuner.fit()
            num_lost = sum(isinstance(error, RayActorError) for error in results.errors)
            if not num_lost or not left or interruption.requested:
                return results
            say(f"trials whose process was lost: {num_lost}; all that failed are tried once more")
        except (RuntimeError, TuneError) as error:
            if not left:
                raise
            say(f"Tune failed ({reason(error)}); the trials resume from where they are")
        interruption.between_fits()
        # The failed controller still holds its trials' processes and CPUs.
        tuner = None
        gc.collect()
        tuner = restored()
    raise AssertionError("the last results are returned, the last failure is raised")


def reason(error: BaseException) -> str:
    """Return the first line of what was at the bottom of an error."""
    while error.__cause__ is not None:
        error = error.__cause__
    return f"{type(error).__name__}: {error}".splitlines()[0][:200]
