"""What a terminal shows of a sweep: one table, and those over seeds where there are several."""

from collections.abc import Sequence

from analysis.group_table import Table, group_table, work_table
from analysis.groups import group_rows, seeds_swept
from analysis.rows import Row
from analysis.table import as_markdown, as_text, in_columns, in_markdown, reasons, setting_names


def summary_text(rows: Sequence[Row], markdown: bool = False) -> str:
    """Return the trials' table; of a sweep over seeds, means and spreads, accuracy at equal work, reasons."""
    if not seeds_swept(rows):
        return as_markdown(rows) if markdown else as_text(rows)
    groups = group_rows(rows)
    num_words = len(setting_names(groups))

    def lay_out(table: Table, num_left: int) -> str:
        return in_markdown(table) if markdown else in_columns(table, num_left)

    parts = [lay_out(group_table(groups), 1 + num_words)]
    if work := work_table(groups):
        parts += ["accuracy within so much local training of all devices:", lay_out(work, num_words)]
    return "\n\n".join([*parts, *reasons(rows)])
