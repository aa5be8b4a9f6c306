"""`profl-ray submit`: one of our commands as a job on a cluster."""

import sys
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from profl_ray.cli.words import deliver

if TYPE_CHECKING:
    from profl_ray.launch.jobs import Jobs

DEFAULT_ADDRESS = "http://127.0.0.1:8265"


def submit(
    command: Annotated[
        list[str] | None,
        typer.Argument(
            metavar="COMMAND...",
            help="A command of profl-ray and its arguments, as in: sweep freezing storage.root=/shared/runs",
            show_default=False,
        ),
    ] = None,
    address: Annotated[
        str, typer.Option(envvar="RAY_API_SERVER_ADDRESS", help="The cluster's dashboard.")
    ] = DEFAULT_ADDRESS,
    working_dir: Annotated[Path, typer.Option(help="The project's folder; it is uploaded.")] = Path(),
    installed: Annotated[
        bool,
        typer.Option("--installed", help="Upload nothing: the cluster's nodes have profl-ray installed."),
    ] = False,
    env: Annotated[
        list[str] | None, typer.Option(metavar="NAME=VALUE", help="A variable of the job's environment.")
    ] = None,
    detach: Annotated[bool, typer.Option("--detach", help="Do not wait for the job.")] = False,
    stop_on_interrupt: Annotated[
        bool, typer.Option("--stop-on-interrupt", help="Ctrl-C stops the job, too; else it goes on.")
    ] = False,
    follow: Annotated[
        str | None, typer.Option(metavar="JOB", help="Send nothing: follow a job that was sent before.")
    ] = None,
) -> None:
    """Send one of profl-ray's commands to a Ray cluster, follow it, and exit as it does.

    Example: profl-ray submit --address http://head:8265 sweep freezing storage.root=/shared/runs
    tracking.uri=http://mlflow:5000 (options of submit come first). Plain `ray job submit` does as well.
    """
    from profl_ray.errors import UserError
    from profl_ray.launch.jobs import Jobs
    from profl_ray.launch.request import job_request

    if bool(command) == bool(follow):
        raise UserError("submit: give a command to send, or --follow JOB")
    if follow is not None:
        jobs = Jobs(address)
        raise typer.Exit(_follow(jobs, follow, stop_on_interrupt))
    request = job_request(command or (), env or (), None if installed else working_dir.absolute())
    jobs = Jobs(address)
    for note in request.notes:
        _say(f"note: {note}")
    job = jobs.submit(request)
    _say(f"job {job} is sent to {address}")
    if detach:
        _say(f"follow it with: profl-ray submit --address {address} --follow {job}")
        deliver(job)
        return
    raise typer.Exit(_follow(jobs, job, stop_on_interrupt))


def _follow(jobs: "Jobs", job: str, stop_on_interrupt: bool) -> int:
    from profl_ray.signals import interruptible, uninterrupted

    try:
        with interruptible():
            code = jobs.follow(job, _write)
    except KeyboardInterrupt:
        if stop_on_interrupt:
            _say(f"stopping job {job}; what it has computed is saved")
            with uninterrupted():
                ended = jobs.stop(job)
            _say(
                f"job {job} is stopped"
                if ended
                else f"job {job} has not ended yet; `ray job status {job}` tells"
            )
        else:
            _say(f"job {job} goes on; follow it with --follow {job}, stop it with: ray job stop {job}")
        return 130
    _say(f"job {job}: {jobs.status(job).lower()}, exit code {code}")
    return code


def _write(text: str) -> None:
    sys.stdout.write(text)
    sys.stdout.flush()


def _say(text: str) -> None:
    print(text, file=sys.stderr, flush=True)
