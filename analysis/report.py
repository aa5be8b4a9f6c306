"""One self-contained HTML file about a sweep: verdict, table, figures, every trial, configuration."""

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from jinja2 import Environment, PackageLoader, StrictUndefined, select_autoescape

from analysis.group_table import group_table, work_table
from analysis.groups import group_rows, seeds_swept
from analysis.pictures import Picture, comparison_pictures, sweep_pictures, trial_pictures
from analysis.rows import Result, Row, result_rows
from analysis.table import cells, headings, setting_names
from analysis.verdict import headline, reasons
from profl_ray.secrecy import masked
from profl_ray.tracking.data import SWEPT, SweepData

MAX_DETAILS = 40
"""Trials that get figures of their own; a report of hundreds would be too large to open."""


@dataclass(frozen=True)
class Detail:
    """A trial's section."""

    row: Row
    pictures: list[Picture]
    changed: dict[str, str]
    """Parameters in which the trial differs from others."""


def write_report(sweep: SweepData, path: Path) -> Path:
    """Write the report of `sweep` to `path` (its folder is created) and return the path."""
    rows = result_rows(sweep)
    groups = group_rows(rows) if seeds_swept(rows) else []
    results: Sequence[Result] = groups or rows
    common = common_params(sweep)
    environment = Environment(
        loader=PackageLoader("analysis"),
        autoescape=select_autoescape(default=True),
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
    )
    text = environment.get_template("report.html").render(
        sweep=sweep,
        store=masked(sweep.uri),
        rows=rows,
        headline=headline(results).replace(" %", "\u00a0%"),
        # The number and its sign stay on one line.
        reasons=[sentence.replace(" %", "\u00a0%") for sentence in reasons(results)],
        headings=headings(rows),
        lines=[(row, cells(row, setting_names(rows))) for row in rows],
        num_settings=len(setting_names(rows)),
        grouped=group_table(groups) if groups else [],
        num_group_settings=len(setting_names(groups)),
        work=work_table(groups),
        pictures=comparison_pictures(groups) if groups else sweep_pictures(rows),
        details=[_detail(row, common) for row in rows[:MAX_DETAILS]],
        num_left_out=max(0, len(rows) - MAX_DETAILS),
        common=common,
        recipe=common.get("recipe", ""),
    )
    path = Path(path)
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(text, encoding="utf-8")
    return path


def common_params(sweep: SweepData) -> dict[str, str]:
    """Return the parameters that all trials share, by name."""
    if not sweep.trials:
        return {}
    first = sweep.trials[0].params
    shared = {
        key: value
        for key, value in first.items()
        if not key.startswith(SWEPT) and all(trial.params.get(key) == value for trial in sweep.trials)
    }
    return dict(sorted(shared.items()))


def _detail(row: Row, common: dict[str, str]) -> Detail:
    changed = {
        key: value
        for key, value in sorted(row.trial.params.items())
        if key not in common and not key.startswith(SWEPT)
    }
    return Detail(row, trial_pictures(row.trial), changed)
