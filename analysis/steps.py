"""The steps of one trial: how long each took, what it needed, and where it left the accuracy."""

from collections.abc import Sequence
from itertools import groupby

from profl_ray.server.record import RoundRecord
from profl_ray.sizes import MIB

HEADINGS = (
    "step",
    "rounds",
    "ended by",
    "accuracy",
    "need MiB",
    "measured MiB",
    "reduction",
    "devices that can afford it",
    "failed",
    "up MiB",
    "seconds",
)


def step_cells(records: Sequence[RoundRecord]) -> list[tuple[str, ...]]:
    """Return one line per step; accuracy is that of the step's sub-model after its last evaluated round."""
    lines: list[tuple[str, ...]] = []
    for _, group in groupby(records, key=lambda record: record.step_index):
        rounds = list(group)
        last = rounds[-1]
        accuracies = [record.test_accuracy for record in rounds if record.test_accuracy is not None]
        measured = [record.measured_peak_mib for record in rounds if record.measured_peak_mib is not None]
        lines.append(
            (
                last.step,
                str(len(rounds)),
                last.end_reason or "not ended",
                f"{accuracies[-1]:.4f}" if accuracies else "-",
                f"{last.need_mib:.2f}",
                f"{max(measured):.2f}" if measured else "-",
                f"{100 * last.reduction:.1f} %",
                f"{100 * last.eligible_share:.0f} %",
                str(sum(len(record.failed) for record in rounds)),
                f"{sum(record.uplink_bytes for record in rounds) / MIB:.1f}",
                f"{sum(record.seconds for record in rounds):.0f}",
            )
        )
    return lines


def steps_as_markdown(records: Sequence[RoundRecord]) -> str:
    """Return the steps as a Markdown table."""
    lines = [HEADINGS, ("---",) * len(HEADINGS), *step_cells(records)]
    return "\n".join(f"| {' | '.join(line)} |" for line in lines)
