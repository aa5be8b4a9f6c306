"""What `profl-ray sweep` and `profl-ray compare` do once they know what to sweep."""

from pathlib import Path
from typing import TYPE_CHECKING

import typer

from profl_ray.cli.options import print_json
from profl_ray.errors import UserError
from profl_ray.secrecy import masked
from profl_ray.signals import held

if TYPE_CHECKING:
    from profl_ray.config import ExperimentConfig
    from profl_ray.tuning import SweepOutcome, SweepRequest

JOB_FOLDERS = "working_dir_files"
"""Where Ray unpacks what was uploaded with a job."""
DESCRIPTION_TAG = "mlflow.note.content"
"""MLflow shows this tag, as Markdown, at the top of a run's page."""


def carry_out(request: "SweepRequest", resume: str | None, json: bool) -> None:
    """Run a sweep, or resume the one named `resume`, and show what came of it.

    Raises UserError for what cannot be swept, typer.Exit with code 1 if a trial failed.
    """
    from profl_ray.cluster.ray_session import ray_session
    from profl_ray.tuning import resume_sweep, run_sweep
    from profl_ray.tuning.request import base_config
    from profl_ray.tuning.sweep_folder import begun_sweep

    # A user's mistakes show before Ray is started.
    if resume is None:
        request = request.resolved()
    config = base_config(request)
    if resume is not None:
        begun_sweep(request, config, resume)
    warn_of_temporary_storage(config)
    with ray_session():
        outcome = run_sweep(request, say) if resume is None else resume_sweep(request, resume, say)
    show(outcome)
    if json:
        print_json(as_json(outcome))
    if outcome.refusal and outcome.best_accuracy is None:
        raise UserError(
            f"none of the {outcome.num_trials} trials could be trained; the first: {outcome.refusal}"
        )
    if outcome.num_failed:
        raise typer.Exit(1)


def warn_of_temporary_storage(config: "ExperimentConfig") -> None:
    """Say so if results would go into the folder of a Ray job, which Ray removes."""
    root = config.storage.root
    if JOB_FOLDERS in root.parts and root.is_relative_to(Path.cwd()):
        say(
            f"warning: storage.root={root} is inside the job's own folder, which Ray removes after the job, "
            "results and all; give an absolute path, storage.root=/..."
        )


def say(text: str) -> None:
    """Print a line at once: the output may be a job's log."""
    print(text, flush=True)


def show(outcome: "SweepOutcome") -> None:
    """Print the result table, write the report, and leave both with the sweep's run in MLflow."""
    if outcome.uri is None:
        say(f"best: {outcome.best_settings} with accuracy {outcome.best_accuracy}")
        return
    from analysis import as_csv, description, result_rows, summary_text, write_report
    from profl_ray.tracking import RunWriter, read_sweep

    try:
        data = read_sweep(outcome.uri, outcome.experiment, outcome.parent_run_id)
    except UserError as error:
        say(f"warning: {error}; `profl-ray report {outcome.name}` shows the table when MLflow is back")
        say(f"best: {outcome.best_settings} with accuracy {outcome.best_accuracy}")
        return
    if data.unread_notice:
        say(f"warning: {data.unread_notice}")
    rows = result_rows(data)
    report = write_report(data, outcome.folder / "report.html")
    tags = {DESCRIPTION_TAG: description(rows, data.description)}
    try:
        with held():  # Until the sweep's run is ended again.
            writer = RunWriter.start(outcome.uri, "", outcome.name, {}, tags, run_id=outcome.parent_run_id)
            writer.log_text(report.read_text(), "report.html")
            writer.log_text(as_csv(rows), "results.csv")
            writer.finish("FINISHED" if outcome.num_failed == 0 else "FAILED")
    except UserError as error:
        say(f"warning: {error}; the report is not in MLflow")
    say("")
    say(summary_text(rows))
    say(f"report: {report}")
    say(f"sweep {outcome.name} in {masked(outcome.uri)} (`make ui` or `profl-ray ui` shows it)")


def as_json(outcome: "SweepOutcome") -> dict[str, object]:
    """Return what `--json` prints."""
    return {
        "sweep": outcome.name,
        "parent_run_id": outcome.parent_run_id,
        "num_trials": outcome.num_trials,
        "num_failed": outcome.num_failed,
        "best_settings": outcome.best_settings,
        "best_accuracy": outcome.best_accuracy,
        "rounds_total": outcome.rounds_total,
        "rounds_trained": outcome.rounds_trained,
        "folder": str(outcome.folder),
    }
