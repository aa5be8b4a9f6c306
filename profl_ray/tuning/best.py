"""The best of a sweep's trials."""

from collections.abc import Sequence
from typing import TYPE_CHECKING

from profl_ray.tuning.comparison import METHOD, REFERENCE
from profl_ray.tuning.space import decode
from profl_ray.tuning.trial import METRIC, TIME

if TYPE_CHECKING:
    from ray.tune import Result


def best_of(finished: Sequence["Result"]) -> "Result | None":
    """Return the best of the trials that ended well; the reference method only where there is no other."""
    ranked = [r for r in finished if decode(r.config or {}).get(METHOD) != REFERENCE] or finished
    # A trial that a scheduler stopped has grown less of the network: its accuracy is not comparable.
    return max(ranked, key=lambda r: ((r.metrics or {})[TIME], (r.metrics or {})[METRIC]), default=None)
