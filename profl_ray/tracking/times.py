"""When rounds were played, as far as their records tell: for a run that is filled in later."""

import time
from collections.abc import Sequence
from itertools import accumulate

from profl_ray.server.record import RoundRecord


def round_times_ms(begun_ms: int, records: Sequence[RoundRecord]) -> list[int]:
    """Return when each round ended, in ms since 1970, as if the run had never paused; none lies ahead."""
    now_ms = int(time.time() * 1000)
    ends = accumulate(record.seconds for record in records)
    return [min(now_ms, begun_ms + int(seconds * 1000)) for seconds in ends]
