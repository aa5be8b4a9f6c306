"""The tables of a comparison: mean and spread over seeds, and accuracy at equal work."""

from collections.abc import Sequence

from analysis.groups import Group
from analysis.rows import Row
from analysis.table import (
    MISSING,
    number,
    percent,
    ranked_cell,
    ranked_name,
    setting_names,
    small_number,
)

WORK_SHARES = (0.05, 0.1, 0.25, 0.5, 1.0)
"""Budgets of the table at equal work, as shares of the most work that any trial took."""

Table = list[list[str]]
"""Headings first."""


def group_table(groups: Sequence[Group]) -> Table:
    """Return accuracy as mean and sample standard deviation over seeds, and what it cost, per setting."""
    names = setting_names(groups)
    headings = [
        "#",
        *names,
        "seeds",
        "accuracy",
        *ranked_name(groups),
        "late accuracy",
        "peak MiB",
        "reduction",
        "participation",
        "rounds",
        "up MiB",
        "down MiB",
        "TFLOP",
        "seconds",
    ]
    return [headings, *(_group_cells(group, names) for group in groups)]


def _group_cells(group: Group, names: Sequence[str]) -> list[str]:
    num_rows = len(group.rows)
    seeds = str(num_rows) if group.num_finished == num_rows else f"{group.num_finished} of {num_rows}"
    return [
        MISSING if group.rank is None else str(group.rank),
        *(group.settings.get(name, MISSING) for name in names),
        seeds,
        mean_and_spread(group),
        *ranked_cell(group),
        percent(group.late_accuracy),
        number(group.peak_mib),
        percent(group.reduction),
        percent(group.participation),
        MISSING if group.rounds is None else str(group.rounds),
        number(group.uplink_mib),
        number(group.downlink_mib),
        small_number(group.tflop),
        number(group.seconds, digits=0),
    ]


def mean_and_spread(group: Group) -> str:
    """Return for instance `86.1 +- 0.4 %`; the outcome where nothing finished."""
    if group.outcome != "finished" or group.accuracy is None:
        return group.outcome
    if group.spread is None:
        return percent(group.accuracy)
    return f"{100 * group.accuracy:.1f} +- {100 * group.spread:.1f} %"


def work_table(groups: Sequence[Group]) -> Table:
    """Return the accuracy that each setting reached within equal amounts of local training.

    A setting that ended within less keeps its final accuracy. Empty if no work was recorded.
    """
    most = max((row.tflop or 0.0 for group in groups for row in group.finished), default=0.0)
    if not most:
        return []
    names = setting_names(groups)
    budgets = [share * most for share in WORK_SHARES]
    table = [[*names, *(f"{small_number(budget)} TFLOP" for budget in budgets)]]
    for group in groups:
        cells = [percent(_mean_within(group.finished, budget)) for budget in budgets]
        table.append([*(group.settings.get(name, MISSING) for name in names), *cells])
    return table


def accuracy_within(row: Row, tflop: float) -> float | None:
    """Return the last accuracy evaluated within so much local training; None if there was none yet.

    Accuracies of steps that do not compare do not count.
    """
    done, reached = 0, None
    for record in row.trial.records:
        done += record.local_flops
        if done > tflop * 1e12 * (1 + 1e-9):
            break
        if record.test_accuracy is not None and record.compares:
            reached = record.test_accuracy
    return reached


def _mean_within(rows: Sequence[Row], tflop: float) -> float | None:
    reached = [accuracy_within(row, tflop) for row in rows]
    known = [value for value in reached if value is not None]
    return sum(known) / len(known) if known and len(known) == len(reached) else None
