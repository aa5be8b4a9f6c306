"""Trials that differ in the seed alone, taken together: mean and spread of what they reached."""

from collections.abc import Sequence
from dataclasses import dataclass, replace
from statistics import fmean, stdev

from analysis.rows import METHOD, Result, Row

SEED = "seed"
REFERENCE = "ideal"
"""The method that ignores quotas: what the others are held against, not one of them."""
MEANS = (
    "accuracy",
    "late_accuracy",
    "peak_mib",
    "reduction",
    "participation",
    "took_part",
    "uplink_mib",
    "downlink_mib",
    "tflop",
    "seconds",
    "ranked",
)


@dataclass(frozen=True, kw_only=True)
class Group(Result):
    """The mean results of the finished trials of one setting; of all its trials if none finished."""

    rows: tuple[Row, ...]
    """All its trials, the finished ones first."""
    num_finished: int

    @property
    def finished(self) -> tuple[Row, ...]:
        """The trials that the means are over, unless none finished."""
        return self.rows[: self.num_finished]

    @property
    def accuracies(self) -> list[float]:
        """Final accuracy of each finished trial."""
        return [row.accuracy for row in self.finished if row.accuracy is not None]

    @property
    def is_reference(self) -> bool:
        """Whether it ignores quotas, and so has no rank."""
        return self.settings.get(METHOD) == REFERENCE

    @property
    def spread(self) -> float | None:
        """Sample standard deviation of the final accuracies; None for fewer than two."""
        return stdev(self.accuracies) if len(self.accuracies) > 1 else None


def seeds_swept(rows: Sequence[Row]) -> bool:
    """Return whether the trials differ in the seed, so that groups of them mean something."""
    return any(SEED in row.settings for row in rows)


def group_rows(rows: Sequence[Row]) -> list[Group]:
    """Return a group per setting: the reference, then finished ones by what is ranked by, then the others.

    Ties go to less memory.
    """
    members: dict[tuple[tuple[str, str], ...], list[Row]] = {}
    for row in rows:
        key = tuple((name, value) for name, value in row.settings.items() if name != SEED)
        members.setdefault(key, []).append(row)
    groups = [_group(dict(key), some) for key, some in members.items()]
    reference = [group for group in groups if group.is_reference]
    groups = [group for group in groups if not group.is_reference]
    ranked = sorted(
        (group for group in groups if group.num_finished and group.score is not None),
        key=lambda group: (-(group.score or 0.0), group.peak_mib or 0.0, group.label),
    )
    others = sorted((group for group in groups if group not in ranked), key=lambda group: group.label)
    ranked = [replace(group, rank=rank) for rank, group in enumerate(ranked, start=1)]
    return reference + ranked + others


def _group(settings: dict[str, str], rows: Sequence[Row]) -> Group:
    ordered = sorted(rows, key=lambda row: row.outcome != "finished")
    num_finished = sum(row.outcome == "finished" for row in rows)
    counted = ordered[:num_finished] or ordered
    rounds = _mean([row.rounds for row in counted])
    return Group(
        rank=None,
        settings=settings,
        outcome="finished" if num_finished else ordered[0].outcome,
        rows=tuple(ordered),
        num_finished=num_finished,
        ranking=ordered[0].ranking,
        rounds=None if rounds is None else round(rounds),
        **{name: _mean([getattr(row, name) for row in counted]) for name in MEANS},
    )


def _mean(values: Sequence[float | None]) -> float | None:
    known = [value for value in values if value is not None]
    return fmean(known) if known else None
