"""`profl-ray demo` and `profl-ray ui`: a whole sweep on this machine, and a look at its results."""

from pathlib import Path
from typing import Annotated

import typer

from profl_ray.cli.options import Overrides

StorageRoot = Annotated[Path, typer.Option(help="Folder of the runs.")]


def demo(
    overrides: Overrides = None,
    space: Annotated[str, typer.Option(help="Search space to sweep.")] = "freezing",
    storage_root: StorageRoot = Path("runs"),
    cpus: Annotated[int | None, typer.Option(min=1, help="CPUs of the local Ray; default: all.")] = None,
) -> None:
    """Start a local Ray head, submit a sweep to it as a job, show the results, and stop Ray again."""
    from profl_ray.launch.demo import run_demo
    from profl_ray.tuning import SweepRequest
    from profl_ray.tuning.sweep import base_config
    from tune_spaces import find_space

    # A user's mistakes show before a head is started.
    base_config(SweepRequest(space=find_space(space), overrides=tuple(overrides or ())))
    raise typer.Exit(run_demo(space, overrides or [], storage_root, cpus))


def ui(
    storage_root: StorageRoot = Path("runs"),
    host: Annotated[str, typer.Option(help="Address to listen on.")] = "127.0.0.1",
    port: Annotated[int, typer.Option(min=1, max=65535, help="Port to listen on.")] = 5000,
) -> None:
    """Show the runs in the MLflow UI until Ctrl-C."""
    from profl_ray.launch.ui import run_ui

    run_ui(storage_root, host, port)
