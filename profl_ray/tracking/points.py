"""A round as MLflow metrics: which value gets which name."""

import math
from collections.abc import Mapping
from dataclasses import dataclass

from profl_ray.server.record import RoundRecord

PLAIN_METRICS = (
    "test_accuracy",
    "test_loss",
    "train_loss",
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
STEP_TAG = "profl_ray.step"
"""The step that a run is in, for instance `grow 2`; with `.03` behind it, how its fourth step ended."""


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
    """Return the metrics of a round, the method's figures among them by their own names.

    Values that are missing or not finite are left out.
    """
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
        "worst_class_recall": worst_recall(record),
    }
    return finite(values | record.figures)


def worst_recall(record: RoundRecord) -> float | None:
    """Return the lowest accuracy on a class of test examples; None if nothing was evaluated."""
    return min((recall for recall in record.test_recalls or () if recall is not None), default=None)


def finite(values: Mapping[str, float | None]) -> dict[str, float]:
    """Return the values that are there and finite, as floats."""
    return {
        name: float(value) for name, value in values.items() if value is not None and math.isfinite(value)
    }


def step_tags(record: RoundRecord, step: str | None = None) -> dict[str, str]:
    """Return the tags that a round sets: its step, if `step` is another, and how it ended, if it did.

    They are for those who look at MLflow; records are what is read.
    """
    tags = {} if record.step == step else {STEP_TAG: record.step}
    if record.step_ended:
        words = f"{record.step}: {record.end_reason or 'ended'} after {record.step_round} rounds"
        tags[f"{STEP_TAG}.{record.step_index:02d}"] = words
    return tags
