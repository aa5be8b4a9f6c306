"""The table of results as plain text, Markdown and CSV."""

import csv
import io
from collections.abc import Sequence

from analysis.rows import Result, Row

MISSING = "-"


def headings(rows: Sequence[Row]) -> list[str]:
    """Return the table's headings: the rank, what was swept, then the results with their units."""
    return [
        "#",
        *setting_names(rows),
        "accuracy",
        *ranked_name(rows),
        "peak MiB",
        "reduction",
        "participation",
        "rounds",
        "rounds by step",
        "up MiB",
        "down MiB",
        "seconds",
    ]


def setting_names(rows: Sequence[Result]) -> list[str]:
    """Return the names of the swept settings; `trial` where nothing was swept."""
    return list(dict.fromkeys(name for row in rows for name in row.settings)) or ["trial"]


def ranked_name(rows: Sequence[Result]) -> list[str]:
    """Return the heading of what is ranked by, if that is not the accuracy."""
    return [rows[0].ranking.name] if rows and not rows[0].ranking.is_default else []


def ranked_cell(row: Result) -> list[str]:
    """Return the cell below `ranked_name`."""
    if row.ranking.is_default:
        return []
    return [MISSING if row.ranked is None else f"{row.ranked:.4g}"]


def cells(row: Row, names: Sequence[str]) -> list[str]:
    """Return a row's cells in words; a trial that did not finish has its outcome in place of the accuracy."""
    settings = [row.settings.get(name, MISSING) for name in names] if row.settings else [row.trial.name]
    settings += [MISSING] * (len(names) - len(settings))
    return [
        MISSING if row.rank is None else str(row.rank),
        *settings,
        row.outcome if row.outcome != "finished" else percent(row.accuracy),
        *ranked_cell(row),
        number(row.peak_mib),
        percent(row.reduction),
        percent(row.participation),
        MISSING if row.rounds is None else str(row.rounds),
        ", ".join(f"{step}: {rounds}" for step, rounds in row.rounds_by_step.items()) or MISSING,
        number(row.uplink_mib),
        number(row.downlink_mib),
        number(row.seconds, digits=0),
    ]


def as_text(rows: Sequence[Row]) -> str:
    """Return the table in columns of blanks, and below it why trials failed.

    Rounds by step are left out: they make lines that no terminal holds.
    """
    table = [headings(rows), *(cells(row, setting_names(rows)) for row in rows)]
    skip = table[0].index("rounds by step")
    table = [line[:skip] + line[skip + 1 :] for line in table]
    return "\n".join([in_columns(table, num_left=1 + len(setting_names(rows))), *reasons(rows)])


def as_markdown(rows: Sequence[Row]) -> str:
    """Return the table in Markdown, and below it why trials failed."""
    table = [headings(rows), *(cells(row, setting_names(rows)) for row in rows)]
    why = reasons(rows)
    return "\n".join([in_markdown(table), *([""] if why else []), *(f"* {line}" for line in why)])


def as_csv(rows: Sequence[Row]) -> str:
    """Return the table as CSV with full precision; shares in [0, 1], nothing where there is no value."""
    names = setting_names(rows)
    out = io.StringIO()
    writer = csv.writer(out, lineterminator="\n")
    swept = [name for name in names if name != "trial"]
    ranked = ranked_name(rows)
    results = ("accuracy", "late_accuracy", "peak_mib", "reduction", "participation", "took_part", "rounds")
    traffic = ("uplink_mib", "downlink_mib", "tflop", "seconds")
    writer.writerow(
        ["rank", "trial", "outcome", *swept, *ranked, *results, "rounds_by_step", *traffic, "reason"]
    )
    for row in rows:
        writer.writerow(
            [
                row.rank,
                row.trial.name,
                row.outcome,
                *(row.settings.get(name, "") for name in swept),
                *(row.ranked for _ in ranked),
                *(getattr(row, name) for name in results),
                ";".join(f"{step}={rounds}" for step, rounds in row.rounds_by_step.items()),
                *(getattr(row, name) for name in traffic),
                row.trial.reason,
            ]
        )
    return out.getvalue()


def in_columns(table: Sequence[Sequence[str]], num_left: int) -> str:
    """Lay a table, headings first, out in columns of blanks; the first `num_left` are words, not numbers."""
    widths = [max(map(len, column)) for column in zip(*table, strict=True)]
    lines = []
    for line in table:
        padded = [
            cell.ljust(width) if place < num_left else cell.rjust(width)
            for place, (cell, width) in enumerate(zip(line, widths, strict=True))
        ]
        lines.append("  ".join(padded).rstrip())
    lines.insert(1, "-" * sum(widths, 2 * (len(widths) - 1)))
    return "\n".join(lines)


def in_markdown(table: Sequence[Sequence[str]]) -> str:
    """Lay a table, headings first, out in Markdown."""
    lines = ["| " + " | ".join(cell.replace("|", "\\|") for cell in line) + " |" for line in table]
    lines.insert(1, "|" + " --- |" * len(table[0]))
    return "\n".join(lines)


def percent(share: float | None) -> str:
    """Return a share in [0, 1] in percent with one digit."""
    return MISSING if share is None else f"{100 * share:.1f} %"


def number(value: float | None, digits: int = 1) -> str:
    """Return a number with thousands apart."""
    return MISSING if value is None else f"{value:,.{digits}f}"


def small_number(value: float | None) -> str:
    """Return a number as `number` does, below 1 with two significant digits."""
    return f"{value:.2g}" if value is not None and 0 < value < 1 else number(value)


def reasons(rows: Sequence[Row]) -> list[str]:
    """Return a line per trial that says why it failed or is n/a."""
    return [f"{row.label}: {row.outcome}: {row.trial.reason}" for row in rows if row.trial.reason]
