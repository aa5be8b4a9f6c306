"""From logged metrics back to the records of the rounds."""

import re
from collections.abc import Mapping, Sequence

from profl_ray.server.record import RoundRecord
from profl_ray.tracking.points import STAGE_CODES, STEP_TAG

History = Mapping[str, Sequence[tuple[int, float]]]
"""Per metric: (round, value), in the order of rounds."""

_STEP = re.compile(r"(?P<stage>[^:]*?)(?: (?P<block>\d+))?: (?P<reason>.*) after \d+ rounds")
_STAGES = {code: stage for stage, code in STAGE_CODES.items()}


def round_records(history: History, tags: Mapping[str, str]) -> list[RoundRecord]:
    """Return one record per logged round, in order.

    Only how many devices were drawn, trained and failed is in MLflow, not which; `cohort`, `trained` and
    `failed` hold that many stand-ins numbered from 0.
    """
    by_round: dict[int, dict[str, float]] = {}
    for name, points in history.items():
        for step, value in points:
            by_round.setdefault(step, {})[name] = value
    rounds = [(number, values) for number, values in sorted(by_round.items()) if "step_index" in values]
    records: list[RoundRecord] = []
    for place, (number, values) in enumerate(rounds):
        following = rounds[place + 1][1] if place + 1 < len(rounds) else None
        step_round = 1
        if records and records[-1].step_index == int(values["step_index"]):
            step_round = records[-1].step_round + 1
        records.append(_record(number, values, following, step_round, tags))
    return records


def _record(
    number: int,
    values: dict[str, float],
    following: dict[str, float] | None,
    step_round: int,
    tags: Mapping[str, str],
) -> RoundRecord:
    index = int(values["step_index"])
    note = _STEP.fullmatch(tags.get(f"{STEP_TAG}{index:02d}", ""))
    stage = _STAGES.get(int(values["stage_code"])) or (note["stage"] if note else "train")
    last_of_step = following is None or int(following["step_index"]) != index
    ended = last_of_step and (following is not None or note is not None)
    return RoundRecord(
        round=number,
        stage=stage,
        block=int(values.get("block", 0)),
        step_index=index,
        step_round=step_round,
        step_ended=ended,
        end_reason=(note["reason"] if note else "ended") if ended else "",
        units_grown=int(values.get("units_grown", 0)),
        test_accuracy=values.get("test_accuracy"),
        test_loss=values.get("test_loss"),
        train_loss=values.get("train_loss"),
        effective_movement=values.get("effective_movement"),
        slope=values.get("slope"),
        need_mib=values.get("need_mib", 0.0),
        measured_peak_mib=values.get("measured_peak_mib"),
        reduction=values.get("step_reduction", 0.0),
        eligible_share=values.get("eligible_share", 0.0),
        cohort=tuple(range(int(values.get("cohort_size", 0)))),
        trained=tuple(range(int(values.get("num_trained", 0)))),
        failed=dict.fromkeys(range(int(values.get("num_failed", 0))), ""),
        num_devices_ever=int(values.get("num_devices_ever", 0)),
        uplink_bytes=int(values.get("uplink_bytes", 0)),
        downlink_bytes=int(values.get("downlink_bytes", 0)),
        local_flops=int(values.get("local_flops", 0)),
        seconds=values.get("seconds", 0.0),
    )
