"""What a terminal shows of a sweep: one table, and those over seeds where there are several."""

from collections.abc import Sequence

from analysis.group_table import group_table, work_table
from analysis.groups import group_rows, seeds_swept
from analysis.rows import Row
from analysis.table import as_text, in_columns, reasons, setting_names


def summary_text(rows: Sequence[Row]) -> str:
    """Return the trials' table; of a sweep over seeds, means and spreads, accuracy at equal work, reasons."""
    if not seeds_swept(rows):
        return as_text(rows)
    groups = group_rows(rows)
    num_words = len(setting_names(groups))
    parts = [in_columns(group_table(groups), num_left=1 + num_words)]
    work = work_table(groups)
    if work:
        parts.append(
            "accuracy within so much local training of all devices:\n" + in_columns(work, num_left=num_words)
        )
    return "\n\n".join([*parts, *reasons(rows)])
