"""The figures of the report, as images inside the file, with their captions."""

import base64
import io
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from matplotlib.figure import Figure

from analysis.curves import curves_figure, participation_bars
from analysis.figures import accuracy_panels, pareto_figure, traffic_figure
from analysis.groups import Group, group_rows, seeds_swept
from analysis.participation import participation_figure
from analysis.rows import Row
from profl_ray.figures.run import MOVEMENT, accuracy_figure, memory_figure, movement_figure, step_needs
from profl_ray.figures.style import save
from profl_ray.tracking.data import TrialData


@dataclass(frozen=True)
class Picture:
    """A figure in the report."""

    name: str
    """Of its files."""
    figure: Figure
    caption: str
    alt: str

    @property
    def source(self) -> str:
        """The figure as a data: address, so that the page needs nothing beside it."""
        # As an image, not inline: the ids inside several inline SVGs would get mixed up.
        stream = io.BytesIO()
        save(self.figure, stream, "svg")
        data = base64.b64encode(stream.getvalue()).decode("ascii")
        return f"data:image/svg+xml;base64,{data}"


def write_pictures(rows: Sequence[Row], folder: Path) -> list[Path]:
    """Write the figures over all trials as PNG, for the screen, and PDF, for papers; return the paths."""
    pictures = comparison_pictures(group_rows(rows)) if seeds_swept(rows) else sweep_pictures(rows)
    folder.mkdir(parents=True, exist_ok=True)
    paths = [(picture, folder / f"{picture.name}.{kind}") for picture in pictures for kind in ("png", "pdf")]
    for picture, path in paths:
        save(picture.figure, path, path.suffix[1:])
    return [path for _, path in paths]


def sweep_pictures(rows: Sequence[Row]) -> list[Picture]:
    """Return the figures over all trials."""
    drawn = [row for row in rows if row.trial.records]
    found = []
    if len(drawn) > 1:
        found += [
            Picture(
                "pareto",
                pareto_figure(rows),
                "Final accuracy against the most memory that any step needs on a device. No trial is both "
                "more accurate and more frugal than one on the front.",
                "accuracy against peak memory",
            ),
            Picture(
                "accuracy",
                accuracy_panels(rows),
                "Test accuracy of the sub-model in training, after each round. Bands are the steps of the "
                "run; a step has a sub-model of its own, so curves start anew.",
                "accuracy by round, one panel per trial",
            ),
        ]
    if drawn:
        found += [
            Picture(
                "participation",
                participation_figure(rows),
                "Share of the devices whose quota covers the need of each step. Trials that differ only in "
                "when they freeze share a panel.",
                "participation by step",
            ),
            Picture(
                "traffic",
                traffic_figure(rows),
                "Accuracy against what all devices have sent so far, of the steps whose accuracies compare. "
                "What other steps sent is counted: it is the distance of a line's start from zero.",
                "accuracy against uplink",
            ),
        ]
    return found


def comparison_pictures(groups: Sequence[Group]) -> list[Picture]:
    """Return the figures over the settings of a sweep with several seeds, or of a comparison."""
    return [
        Picture(
            "curves",
            curves_figure(groups),
            "Test accuracy by round, by what all devices sent, and by the operations of local training: mean "
            "over seeds, bands from the worst to the best. A line begins with the first step whose "
            "accuracies compare, at what the steps before it cost; the large marker is the end.",
            "accuracy by round, uplink and computation",
        ),
        Picture(
            "pareto",
            pareto_figure(groups),
            "Final accuracy against the most memory that any device's task needs: mean over seeds, bars from "
            "the worst to the best. Nothing is both more accurate and more frugal than what is on the front.",
            "accuracy against peak memory",
        ),
        Picture(
            "participation",
            participation_bars(groups),
            "Share of the devices that can afford the training, as a mean over rounds, and share of those "
            "that took part at least once.",
            "participation",
        ),
    ]


def trial_pictures(trial: TrialData) -> list[Picture]:
    """Return the figures of one trial; none before its first round."""
    records = trial.records
    if not records:
        return []
    stages = trial.stages
    accuracy = accuracy_figure(records, stages)
    pictures = [Picture("accuracy", accuracy, "Accuracy, with the steps marked.", "accuracy by round")]
    if any(MOVEMENT in record.figures for record in records):
        pictures.append(
            Picture(
                "movement",
                movement_figure(records, _float(trial.params.get("freezing.phi")), stages),
                "Effective movement of the block in training, and the slope by which it is frozen.",
                "effective movement by round",
            )
        )
    full = trial.summary.get("full_need_mib")
    memory = memory_figure(step_needs(records), trial.quotas_mib, full, stages)
    caption = "Above: how many devices can afford an amount of memory. Below: what each step needs."
    return [*pictures, Picture("memory", memory, caption, "memory by step")]


def _float(text: str | None) -> float | None:
    try:
        return None if text is None else float(text)
    except ValueError:
        return None
