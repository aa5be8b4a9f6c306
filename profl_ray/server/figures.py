"""A method's own figures of a round: which names they may have, and what of them is recorded."""

import math
import re
from collections.abc import Iterable, Mapping
from dataclasses import fields

from profl_ray.server.record import RoundRecord
from profl_ray.server.summary import SUMMARY
from profl_ray.training import DeviceReport

DERIVED = (
    "step_reduction",
    "cohort_size",
    "num_trained",
    "num_failed",
    "uplink_bytes_total",
    "downlink_bytes_total",
    "local_flops_total",
    "worst_class_recall",
)
"""Metrics of a round that the platform makes of its record."""
RESERVED = frozenset({each.name for each in fields(RoundRecord)} | {*DERIVED, *SUMMARY})
"""Names with a meaning of the platform's, the same for every method."""
_NAME = re.compile(r"[A-Za-z][A-Za-z0-9_./-]{0,199}")


def round_figures(strategy: str, told: Mapping[str, float]) -> dict[str, float]:
    """Return the figures that `strategy` told of a round as plain numbers, the finite ones alone.

    Raises ValueError for a name that the platform uses itself, or that MLflow would not take.
    """
    for name in told:
        if name in RESERVED:
            raise ValueError(
                f"strategy {strategy!r} has a figure {name!r}, which the platform records itself: call it "
                "something else"
            )
        if not _NAME.fullmatch(name):
            raise ValueError(
                f"strategy {strategy!r} has a figure {name!r}: a name begins with a letter and holds "
                "letters, digits, and _ . / -"
            )
    values = {name: float(value) for name, value in told.items()}
    return {name: value for name, value in values.items() if math.isfinite(value)}


def over_devices(reports: Iterable[DeviceReport]) -> dict[str, float]:
    """Return the figures that devices told: their mean by their own name, and NAME_lowest and NAME_highest.

    Over the devices that did not fail, each counted alike.
    """
    told: dict[str, list[float]] = {}
    for report in reports:
        for name, value in report.figures.items() if report.failure is None else ():
            told.setdefault(name, []).append(value)
    found: dict[str, float] = {}
    for name, values in told.items():
        found |= {name: math.fsum(values) / len(values)}
        found |= {f"{name}_lowest": min(values), f"{name}_highest": max(values)}
    return found
