"""The figures of the report, as images inside the file, with their captions."""

import base64
import io
from collections.abc import Sequence
from dataclasses import dataclass

from matplotlib.figure import Figure

from analysis.curves import curves_figure, participation_bars
from analysis.figures import accuracy_panels, pareto_figure, traffic_figure
from analysis.groups import Group
from analysis.participation import participation_figure
from analysis.rows import Row
from profl_ray.tracking.data import TrialData
from profl_ray.tracking.figures import accuracy_figure, memory_figure, movement_figure, step_needs
from profl_ray.tracking.style import save


@dataclass(frozen=True)
class Picture:
    """A figure in the report."""

    source: str
    """A data: address, so that the file needs nothing beside it."""
    caption: str
    alt: str


def sweep_pictures(rows: Sequence[Row]) -> list[Picture]:
    """Return the figures over all trials."""
    drawn = [row for row in rows if row.trial.history]
    found = []
    if len(drawn) > 1:
        found += [
            _picture(
                pareto_figure(rows),
                "Final accuracy against the most memory that any step needs on a device. No trial is both "
                "more accurate and more frugal than one on the front.",
                "accuracy against peak memory",
            ),
            _picture(
                accuracy_panels(rows),
                "Test accuracy of the sub-model in training, after each round. Bands are the steps of the "
                "run; a step has a sub-model of its own, so curves start anew.",
                "accuracy by round, one panel per trial",
            ),
        ]
    if drawn:
        found += [
            _picture(
                participation_figure(rows),
                "Share of the devices whose quota covers the need of each step. Trials that differ only in "
                "when they freeze share a panel.",
                "participation by step",
            ),
            _picture(
                traffic_figure(rows),
                "Accuracy against what all devices have sent so far, from the first growing step on. What "
                "the shrinking stage sent is counted: it is the distance of a line's start from zero.",
                "accuracy against uplink",
            ),
        ]
    return found


def comparison_pictures(groups: Sequence[Group]) -> list[Picture]:
    """Return the figures over the settings of a sweep with several seeds, or of a comparison."""
    return [
        _picture(
            curves_figure(groups),
            "Test accuracy by round, by what all devices sent, and by the operations of local training: mean "
            "over seeds, bands from the worst to the best. A progressive method's line begins with its "
            "first growing step, at what shrinking cost; the large marker is the end.",
            "accuracy by round, uplink and computation",
        ),
        _picture(
            pareto_figure(groups),
            "Final accuracy against the most memory that any device's task needs: mean over seeds, bars from "
            "the worst to the best. Nothing is both more accurate and more frugal than what is on the front.",
            "accuracy against peak memory",
        ),
        _picture(
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
    pictures = [_picture(accuracy_figure(records), "Accuracy, with the steps marked.", "accuracy by round")]
    if any(record.effective_movement is not None for record in records):
        pictures.append(
            _picture(
                movement_figure(records, phi=_float(trial.params.get("freezing.phi"))),
                "Effective movement of the block in training, and the slope by which it is frozen.",
                "effective movement by round",
            )
        )
    full = trial.summary.get("full_need_mib")
    memory = memory_figure(step_needs(records), trial.quotas_mib, full)
    caption = "Above: how many devices can afford an amount of memory. Below: what each step needs."
    return [*pictures, _picture(memory, caption, "memory by step")]


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
