"""One self-contained HTML file about a sweep: verdict, table, figures, every trial, configuration."""

import base64
import io
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from jinja2 import Environment, PackageLoader, StrictUndefined, select_autoescape
from matplotlib.figure import Figure

from analysis.figures import accuracy_panels, pareto_figure, traffic_figure
from analysis.participation import participation_figure
from analysis.rows import Row, result_rows
from analysis.table import cells, headings, setting_names
from analysis.verdict import headline, reasons
from profl_ray.tracking.data import SWEPT, SweepData
from profl_ray.tracking.figures import accuracy_figure, memory_figure, movement_figure, step_needs
from profl_ray.tracking.style import save

MAX_DETAILS = 40
"""Trials that get figures of their own; a report of hundreds would be too large to open."""


@dataclass(frozen=True)
class Picture:
    """A figure in the report."""

    source: str
    """A data: address, so that the file needs nothing beside it."""
    caption: str
    alt: str


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
        rows=rows,
        headline=headline(rows),
        reasons=reasons(rows),
        headings=headings(rows),
        lines=[(row, cells(row, setting_names(rows))) for row in rows],
        num_settings=len(setting_names(rows)),
        pictures=_pictures(rows),
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


def _pictures(rows: Sequence[Row]) -> list[Picture]:
    drawn = [row for row in rows if row.trial.history]
    found = []
    if len(drawn) > 1:
        found += [
            _picture(
                pareto_figure(rows),
                "Final accuracy against the most memory that any step needs on a device. No trial is both more "
                "accurate and more frugal than one on the front.",
                "accuracy against peak memory",
            ),
            _picture(
                accuracy_panels(rows),
                "Test accuracy of the sub-model in training, after each round. Bands are the steps of the run; "
                "a step has a sub-model of its own, so curves start anew.",
                "accuracy by round, one panel per trial",
            ),
        ]
    if drawn:
        found += [
            _picture(
                participation_figure(rows),
                "Share of the devices whose quota covers the need of each step. Trials that differ only in when "
                "they freeze share a panel.",
                "participation by step",
            ),
            _picture(
                traffic_figure(rows),
                "Accuracy against what all devices have sent so far, from the first growing step on. What the "
                "shrinking stage sent is counted: it is the distance of a line's start from zero.",
                "accuracy against uplink",
            ),
        ]
    return found


def _detail(row: Row, common: dict[str, str]) -> Detail:
    trial, pictures = row.trial, []
    records = trial.records
    if records:
        phi = trial.params.get("freezing.phi")
        pictures.append(
            _picture(accuracy_figure(records), "Accuracy, with the steps marked.", "accuracy by round")
        )
        if any(record.effective_movement is not None for record in records):
            pictures.append(
                _picture(
                    movement_figure(records, phi=_float(phi)),
                    "Effective movement of the block in training, and the slope by which it is frozen.",
                    "effective movement by round",
                )
            )
        full = trial.summary.get("full_need_mib")
        pictures.append(
            _picture(
                memory_figure(step_needs(records), trial.quotas_mib, full),
                "Above: how many devices can afford an amount of memory. Below: what each step needs.",
                "memory by step",
            )
        )
    changed = {
        key: value
        for key, value in sorted(trial.params.items())
        if key not in common and not key.startswith(SWEPT)
    }
    return Detail(row, pictures, changed)


def _picture(figure: Figure, caption: str, alt: str) -> Picture:
    # As an image, not inline: the ids inside several inline SVGs would get mixed up.
    stream = io.BytesIO()
    save(figure, stream, "svg")
    data = base64.b64encode(stream.getvalue()).decode("ascii")
    return Picture(f"data:image/svg+xml;base64,{data}", caption, alt)


def _float(text: str | None) -> float | None:
    try:
        return None if text is None else float(text)
    except ValueError:
        return None
