"""What a run shows while it trains: a bar on a terminal, a line a round elsewhere."""

import sys
from typing import Any, Self

from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeElapsedColumn

from profl_ray.config import ExperimentConfig
from profl_ray.secrecy import masked
from profl_ray.server.record import RoundRecord


def round_line(record: RoundRecord) -> str:
    """Return a round in one line."""
    parts = [f"round {record.round:4d}", f"{record.step:8s} {record.step_round:3d}"]
    if record.test_accuracy is not None:
        parts.append(f"accuracy {record.test_accuracy:.4f}")
    if record.train_loss is not None:
        parts.append(f"loss {record.train_loss:.4f}")
    # The first that the method tells, for the eye: the record has them all.
    for name, value in list(record.figures.items())[:1]:
        parts.append(f"{name.replace('_', ' ')} {value:.2f}")
    parts.append(f"need {record.need_mib:.2f} MiB ({100 * record.eligible_share:.0f} % of devices)")
    parts.append(f"{record.seconds:.2f} s")
    if record.failed:
        parts.append(f"{len(record.failed)} failed")
    if record.step_ended:
        parts.append(f"<- {record.step} ends: {record.end_reason}")
    return "  ".join(parts)


class RunView:
    """Shows one run. Everything goes to standard error, so that --json has standard output to itself."""

    def __init__(self, config: ExperimentConfig) -> None:
        self.config = config
        self.console = Console(stderr=True, highlight=False)
        self.live = sys.stderr.isatty()
        self.progress = Progress(
            TextColumn("{task.description}"),
            BarColumn(bar_width=24),
            MofNCompleteColumn(),
            TextColumn("steps"),
            TimeElapsedColumn(),
            console=self.console,
            transient=True,
            disable=not self.live,
        )

    def __enter__(self) -> Self:
        self.progress.start()
        self.task = self.progress.add_task("setting up", total=None)
        return self

    def __exit__(self, *_: object) -> None:
        self.progress.stop()

    def begin(self, name: str, num_steps: int | None = None) -> None:
        """Say what begins."""
        config = self.config
        self.console.print(
            f"{name}: {config.strategy.name}, {config.model.name} x{config.model.width:g} on "
            f"{config.data.name}, {config.federation.num_devices} devices, "
            f"{config.federation.cohort_size} a round, fleet {config.fleet.backend}",
            soft_wrap=True,
        )
        self.progress.update(self.task, total=num_steps, description="first round")

    def say(self, text: str) -> None:
        """Show a line."""
        self.console.print(text, soft_wrap=True)

    def show(self, record: RoundRecord) -> None:
        """Show a round."""
        if not self.live or record.step_ended:
            self.console.print(round_line(record), soft_wrap=True)
        for reason in record.failed.values():
            self.console.print(f"  dropped: {reason}", soft_wrap=True)
        accuracy = "" if record.test_accuracy is None else f"  accuracy {record.test_accuracy:.4f}"
        self.progress.update(
            self.task,
            completed=record.step_index + record.step_ended,
            description=f"{record.step} round {record.step_round}{accuracy}  need {record.need_mib:.2f} MiB",
        )

    def end(self, summary: dict[str, Any], uri: str | None) -> None:
        """Show the summary."""
        accuracy = summary.get("final_accuracy")
        if accuracy is not None:
            self.console.print(
                f"final accuracy {accuracy:.4f} after {summary['rounds']} rounds; peak need "
                f"{summary['peak_need_mib']:.2f} MiB, {100 * summary['reduction']:.1f} % below full training "
                f"({summary['full_need_mib']:.2f} MiB)",
                soft_wrap=True,
            )
        else:
            self.console.print(
                f"stopped before the end of the schedule; resume with --resume {summary['run_id']}"
            )
        for notice in summary["notices"]:
            self.console.print(f"note: {notice}", soft_wrap=True)
        if uri is not None:
            where = f"MLflow run {summary['mlflow_run_id']} in {masked(uri)} (`profl-ray ui` shows it)"
            self.console.print(where, soft_wrap=True)
