"""The commands of `profl-ray`. Thin: every command is a call into a room."""

import typer

from profl_ray import __version__
from profl_ray.cli import compare, demo, doctor, memory, report, run, status, submit, sweep

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
