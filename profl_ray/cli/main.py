"""The command line: `profl-ray` and `python -m profl_ray`. Thin: every command is a call into a room."""

import errno
import sys

import typer

from profl_ray import __version__
from profl_ray.cli import compare, demo, doctor, memory, report, run, status, submit, sweep
from profl_ray.environment import prepare_environment
from profl_ray.errors import Unaffordable, UserError

app = typer.Typer(
    name="profl-ray",
    help="Memory-constrained federated learning on Ray: ProFL (arXiv 2404.13349), sweeps, results in MLflow.",
    no_args_is_help=True,
    pretty_exceptions_enable=False,
    add_completion=False,
    rich_markup_mode="rich",
)
app.command("run", rich_help_panel="Train")(run.run)
app.command("sweep", rich_help_panel="Train")(sweep.sweep)
app.command("compare", rich_help_panel="Train")(compare.compare)
app.command("demo", rich_help_panel="Train")(demo.demo)
app.command("submit", rich_help_panel="Cluster", context_settings={"allow_interspersed_args": False})(
    submit.submit
)
app.command("status", rich_help_panel="Cluster")(status.status)
app.command("memory", rich_help_panel="Look")(memory.memory)
app.command("doctor", rich_help_panel="Look")(doctor.doctor)
app.command("report", rich_help_panel="Look")(report.report)
app.command("ui", rich_help_panel="Look")(demo.ui)

UNUSABLE = (errno.EACCES, errno.EPERM, errno.EEXIST, errno.ENOTDIR, errno.EISDIR, errno.EROFS, errno.ENOSPC)
"""What the system says of a place where a user's files cannot be written or read."""


def _print_version(wanted: bool) -> None:
    if wanted:
        print(f"profl-ray {__version__}")
        raise typer.Exit


@app.callback()
def _options(
    version: bool = typer.Option(
        False, "--version", callback=_print_version, is_eager=True, help="Print the version."
    ),
) -> None:
    pass


def main() -> None:
    """Run the command line. A user's mistake is one line on standard error and exit code 2."""
    prepare_environment()
    try:
        app()
    except UserError as error:
        not_available = "n/a, participation 0 %: " if isinstance(error, Unaffordable) else ""
        print(f"error: {not_available}{error}", file=sys.stderr)
        sys.exit(2)
    except OSError as error:
        if error.errno not in UNUSABLE or error.filename is None:
            raise
        print(f"error: cannot use {error.filename}: {error.strerror}", file=sys.stderr)
        sys.exit(2)
