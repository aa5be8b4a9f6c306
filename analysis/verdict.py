"""The result of a sweep in plain words: who won, by how much, and what it cost."""

from collections.abc import Sequence

from analysis.group_table import group_table, mean_and_spread
from analysis.groups import Group, group_rows, seeds_swept
from analysis.rows import Result, Row
from analysis.table import as_markdown, in_markdown, number, percent

CLOSE = 0.01
"""Differences of accuracy below one point are within what a single seed can show."""


def headline(rows: Sequence[Result]) -> str:
    """Return one sentence that names the winner, or says that there is none."""
    ranked = [row for row in rows if row.rank]
    if not ranked and any(row.outcome == "finished" and row.score is None for row in rows):
        return f"Nothing that finished has a {rows[0].ranking.name}, so there is no winner."
    if not ranked and any(row.outcome == "finished" for row in rows):
        return "Only the reference that ignores quotas finished, so there is no winner."
    if not ranked:
        return "No trial finished, so there is no winner yet."
    best = ranked[0]
    if len(rows) == 1:
        return f"{_name(best)} reached {percent(best.accuracy)} test accuracy."
    if not best.ranking.is_default:
        return f"{_name(best)} won: {best.ranking.name} {best.ranked:.4g}, {percent(best.accuracy)} accuracy."
    if isinstance(best, Group) and best.num_finished > 1:
        seeds = f"in the mean of {best.num_finished} seeds"
        return f"{_name(best)} won: {mean_and_spread(best)} test accuracy {seeds}."
    return f"{_name(best)} won: {percent(best.accuracy)} test accuracy."


def description(rows: Sequence[Row], about: str) -> str:
    """Return what the sweep gave as Markdown, for the page of its run: headline, reasons, table."""
    results: Sequence[Result] = rows
    tables = [as_markdown(rows)]
    if seeds_swept(rows):
        results = groups = group_rows(rows)
        tables.insert(0, in_markdown(group_table(groups)))
    parts = [about, f"**{headline(results)}**", *reasons(results), *tables]
    return "\n\n".join(part for part in parts if part)


def reasons(rows: Sequence[Result]) -> list[str]:
    """Return the sentences below the headline: cost, margin, the frugal choice, and what went wrong."""
    ranked = [row for row in rows if row.rank]
    sentences = []
    if ranked:
        sentences.append(_cost(ranked[0]))
    if len(ranked) > 1 and not ranked[0].ranking.is_default:
        second = ranked[1]
        sentences.append(f"The runner-up, {second.label}, has {second.ranking.name} {second.ranked:.4g}.")
    elif len(ranked) > 1:
        sentences.append(_margin(ranked[0], ranked[1]))
        sentences += _frugal(ranked)
    for row in rows:
        if isinstance(row, Group) and row.is_reference and row.accuracy is not None:
            sentences.append(f"The reference that ignores quotas, {row.label}: {mean_and_spread(row)}.")
    unfinished: dict[str, int] = {}
    for row in rows:
        if row.outcome != "finished":
            unfinished[row.outcome] = unfinished.get(row.outcome, 0) + 1
    if unfinished:
        words = ", ".join(f"{count} {outcome}" for outcome, count in unfinished.items())
        what = "settings" if any(isinstance(row, Group) for row in rows) else "trials"
        sentences.append(f"Not in the ranking: {words} (of {len(rows)} {what}).")
    return sentences


def _name(row: Result) -> str:
    if isinstance(row, Group) or not row.settings:
        return row.label or "The run"
    settings = [f"{key} {value}" for key, value in row.settings.items()]
    listed = settings[0] if len(settings) == 1 else f"{', '.join(settings[:-1])} and {settings[-1]}"
    return f"The trial with {listed}"


def _cost(best: Result) -> str:
    parts = []
    if best.peak_mib is not None:
        saved = "" if best.reduction is None else f", {percent(best.reduction)} below training the full model"
        parts.append(f"a device needs at most {number(best.peak_mib)} MiB{saved}")
    if best.participation is not None:
        parts.append(f"on average {percent(best.participation)} of the devices could afford a step")
    if best.rounds is not None:
        parts.append(f"it took {best.rounds} rounds")
    if best.uplink_mib is not None:
        parts.append(f"the devices sent {number(best.uplink_mib)} MiB")
    text = "; ".join(parts)
    return f"{text[:1].upper()}{text[1:]}." if text else "Its costs were not recorded."


def _margin(best: Result, second: Result) -> str:
    assert best.accuracy is not None and second.accuracy is not None
    gap = best.accuracy - second.accuracy
    text = f"The runner-up, {second.label}, is {100 * gap:.1f} points behind"
    if (
        isinstance(best, Group)
        and isinstance(second, Group)
        and min(best.num_finished, second.num_finished) > 1
    ):
        spreads = [group.spread or 0.0 for group in (best, second)]
        return f"{text}{'' if gap > max(spreads) else ', within the spread of the seeds'}."
    if gap < CLOSE:
        return f"{text}: with one seed each, that may be chance."
    return f"{text}."


def _frugal(ranked: Sequence[Result]) -> list[str]:
    """Return the choice that needs clearly less memory or fewer rounds for nearly the same accuracy."""
    best = ranked[0]
    assert best.accuracy is not None
    found = []
    near = [
        row for row in ranked[1:] if row.accuracy is not None and best.accuracy - row.accuracy <= 2 * CLOSE
    ]
    lean = min((row for row in near if row.peak_mib), key=lambda row: row.peak_mib or 0.0, default=None)
    if lean and lean.peak_mib and best.peak_mib and lean.peak_mib < 0.95 * best.peak_mib:
        less = percent(1 - lean.peak_mib / best.peak_mib)
        found.append(
            f"Within two points, {lean.label} needs {less} less memory ({number(lean.peak_mib)} MiB)."
        )
    quick = min((row for row in near if row.rounds), key=lambda row: row.rounds or 0, default=None)
    if quick and quick.rounds and best.rounds and quick.rounds < 0.9 * best.rounds:
        found.append(f"Within two points, {quick.label} needs only {quick.rounds} of {best.rounds} rounds.")
    return found
