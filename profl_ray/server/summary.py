"""A finished run in a few figures."""

from collections.abc import Sequence

from profl_ray.server.record import RoundRecord

SUMMARY = (
    "rounds",
    "peak_need_mib",
    "peak_measured_mib",
    "full_need_mib",
    "reduction",
    "participation",
    "num_devices_ever",
    "num_failures",
    "uplink_bytes_total",
    "downlink_bytes_total",
    "local_flops_total",
    "seconds_total",
    "final_accuracy",
    "final_test_accuracy",
    "rounds_trained",
    "rounds_shared",
)
"""Names of a run's final figures; what was trained, and what taken from others, only the run itself knows."""


def summarise(records: Sequence[RoundRecord], full_need_mib: float, finished: bool) -> dict[str, float]:
    """Return the run's figures by name; `final_accuracy` only for a run that finished its schedule."""
    if not records:
        return {}
    peak_need_mib = max(record.need_mib for record in records)
    measured = [record.measured_peak_mib for record in records if record.measured_peak_mib is not None]
    summary = {
        "rounds": len(records),
        "peak_need_mib": peak_need_mib,
        "peak_measured_mib": max(measured, default=0.0),
        "full_need_mib": full_need_mib,
        "reduction": 1 - peak_need_mib / full_need_mib,
        "participation": sum(record.eligible_share for record in records) / len(records),
        "num_devices_ever": records[-1].num_devices_ever,
        "num_failures": sum(len(record.failed) for record in records),
        "uplink_bytes_total": sum(record.uplink_bytes for record in records),
        "downlink_bytes_total": sum(record.downlink_bytes for record in records),
        "local_flops_total": sum(record.local_flops for record in records),
        "seconds_total": sum(record.seconds for record in records),
    }
    accuracy = records[-1].test_accuracy
    if finished and accuracy is not None:
        summary["final_accuracy"] = accuracy
    return summary
