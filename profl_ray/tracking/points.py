"""A round as MLflow metrics: which value gets which name."""

import math
from collections.abc import Mapping
from dataclasses import dataclass

from profl_ray.server.record import RoundRecord

STAGE_CODES = {"calibrate": -1, "shrink": 0, "map": 1, "grow": 2}
OTHER_STAGE_CODE = 3
PLAIN_METRICS = (
    "test_accuracy",
    "test_loss",
    "train_loss",
    "effective_movement",
    "slope",
    "need_mib",
    "measured_peak_mib",
    "eligible_share",
    "num_devices_ever",
    "uplink_bytes",
    "downlink_bytes",
    "local_flops",
    "seconds",
    "block",
    "step_index",
    "units_grown",
)
"""Fields of a RoundRecord that are metrics of the same name."""
ROUND_METRICS = (
    *PLAIN_METRICS,
    "step_reduction",
    "cohort_size",
    "num_trained",
    "num_failed",
    "uplink_bytes_total",
    "downlink_bytes_total",
    "local_flops_total",
    "stage_code",
)
"""Names of all metrics that a round may have."""
STEP_TAG = "profl_ray.step."
"""Prefix of the tags that say how each step ended, for instance `profl_ray.step.03`."""


@dataclass(frozen=True)
class Totals:
    """Traffic, in bytes, and operations of a run from its first round on."""

    uplink_bytes: int = 0
    downlink_bytes: int = 0
    local_flops: int = 0

    def plus(self, record: RoundRecord) -> "Totals":
        """Return the totals after the round of `record`."""
        return Totals(
            self.uplink_bytes + record.uplink_bytes,
            self.downlink_bytes + record.downlink_bytes,
            self.local_flops + record.local_flops,
        )


def round_points(record: RoundRecord, totals: Totals) -> dict[str, float]:
    """Return the metrics of a round; values that are missing or not finite are left out."""
    values: dict[str, float | None] = {name: getattr(record, name) for name in PLAIN_METRICS}
    values |= {
        # Not `reduction`: that is the whole run's, which a value of the last round would hide.
        "step_reduction": record.reduction,
        "cohort_size": len(record.cohort),
        "num_trained": len(record.trained),
        "num_failed": len(record.failed),
        "uplink_bytes_total": totals.uplink_bytes,
        "downlink_bytes_total": totals.downlink_bytes,
        "local_flops_total": totals.local_flops,
        "stage_code": STAGE_CODES.get(record.stage, OTHER_STAGE_CODE),
    }
    return finite(values)


def finite(values: Mapping[str, float | None]) -> dict[str, float]:
    """Return the values that are there and finite, as floats."""
    return {
        name: float(value) for name, value in values.items() if value is not None and math.isfinite(value)
    }


def step_tags(record: RoundRecord) -> dict[str, str]:
    """Return the tag of a step that ended with this round, else nothing."""
    if not record.step_ended:
        return {}
    return {
        f"{STEP_TAG}{record.step_index:02d}": (
            f"{record.step}: {record.end_reason or 'ended'} after {record.step_round} rounds"
        )
    }
