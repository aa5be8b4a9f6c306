"""`profl-ray submit`: one of our commands as a job on a cluster."""

import sys
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from profl_ray.cli.words import deliver

if TYPE_CHECKING:
    from profl_ray.launch.jobs import Jobs

USAGE_ERROR: Any = typer.BadParameter.__base__
"""Of the click that Typer brings: what a command says of arguments that it does not take."""
DEFAULT_ADDRESS = "http://127.0.0.1:8265"


def submit(
    context: typer.Context,
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
        bool,
        typer.Option("--stop-on-interrupt", help="Ctrl-C stops the job, too; otherwise it keeps running."),
    ] = False,
    follow: Annotated[
        str | None, typer.Option(metavar="JOB", help="Send nothing: follow a job that was sent before.")
    ] = None,
    stop: Annotated[
        str | None, typer.Option(metavar="JOB", help="Send nothing: stop a job; what it computed is saved.")
    ] = None,
) -> None:
    """Send one of profl-ray's commands to a Ray cluster, follow it, and exit as it does.

    Example: profl-ray submit --address http://head:8265 sweep freezing storage.root=/shared/runs
    tracking.uri=http://mlflow:5000 (options of submit come first). Plain `ray job submit` does as well.
    """
    from profl_ray.errors import UserError
    from profl_ray.launch.jobs import Jobs
    from profl_ray.launch.request import job_request

    if sum(map(bool, (command, follow, stop))) != 1:
        raise UserError("submit: give a command to send, or --follow JOB, or --stop JOB")
    if stop is not None:
        raise typer.Exit(0 if _stop(Jobs(address), stop) else 1)
    if follow is not None:
        raise typer.Exit(_follow(Jobs(address), follow, stop_on_interrupt))
    _check_arguments(context.find_root().command, command or ())
    further = _check_plugins(command or ())
    folder = None if installed else working_dir.absolute()
    request = job_request(command or (), env or (), folder, further=further)
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
    from profl_ray.launch.output import JobOutput
    from profl_ray.signals import interruptible, uninterrupted

    output = JobOutput()
    try:
        with interruptible():
            code = jobs.follow(job, output.write, _say)
        output.end()
    except KeyboardInterrupt:
        if stop_on_interrupt:
            with uninterrupted():
                _stop(jobs, job)
        else:
            again = f"profl-ray submit --address {jobs.address}"
            _say(f"job {job} keeps running; follow it with: {again} --follow {job}")
            _say(f"stop it with: {again} --stop {job}")
        return 130
    _say(f"job {job}: {jobs.status(job).lower()}, exit code {code}")
    return code


def _stop(jobs: "Jobs", job: str) -> bool:
    """Stop a job, and say whether it has ended."""
    _say(f"stopping job {job}; what it has computed is saved")
    ended = jobs.stop(job)
    again = f"profl-ray submit --address {jobs.address} --follow {job}"
    _say(f"job {job} is stopped" if ended else f"job {job} has not ended yet; follow it with: {again}")
    return ended


def _check_arguments(program: Any, command: Sequence[str]) -> None:
    """Raise UserError for arguments that the command does not take, which would show only on the cluster.

    `--help` is answered here.
    """
    from profl_ray.errors import UserError
    from profl_ray.launch.request import known_command

    name = known_command(command)
    try:
        program.commands[name].make_context(name, list(command[1:]))
    except USAGE_ERROR as error:
        raise UserError(
            f"submit {name}: {error.format_message().rstrip('.')} (options of submit itself come before the "
            "command)"
        ) from error


def _check_plugins(command: Sequence[str]) -> list[str]:
    """Raise UserError for what comes from outside and cannot be had; return what such a space names."""
    from profl_ray.launch.plugins import named_in

    names = named_in(command)
    if not names:
        return []
    from profl_ray.config.load import split_override
    from profl_ray.config.tree import NAMED
    from profl_ray.plugins import is_reference
    from profl_ray.server.named import find_named
    from profl_ray.strategies import find_strategy

    keyed = dict(split_override(word) for word in command[1:] if word.partition("=")[0] in NAMED)
    for key, name in keyed.items():
        if is_reference(name):
            find_named(key, name)
    if command[0] != "sweep" or names[0] != command[1]:
        for name in names:
            if name not in keyed.values():
                find_strategy(name)
        return []
    from profl_ray.tuning.names import check_names, names_in
    from tune_spaces import find_space

    space = find_space(command[1])
    check_names(space, [])
    return [name for _, name in names_in(space)]


def _say(text: str) -> None:
    print(text, file=sys.stderr, flush=True)
