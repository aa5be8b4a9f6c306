"""`profl-ray demo` and `profl-ray ui`: a whole sweep on this machine, and a look at its results."""

from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from profl_ray.cli.options import Overrides

if TYPE_CHECKING:
    from profl_ray.config import ExperimentConfig

StorageRoot = Annotated[Path, typer.Option(help="Folder of the runs.")]


def demo(
    overrides: Overrides = None,
    space: Annotated[str, typer.Option(help="Search space to sweep.")] = "freezing",
    storage_root: StorageRoot = Path("runs"),
    cpus: Annotated[int | None, typer.Option(min=1, help="CPUs of the local Ray; default: all.")] = None,
) -> None:
    """Start a local Ray head, submit a sweep to it as a job, show the results, and stop Ray again."""
    from profl_ray.cluster.nodes import this_machine
    from profl_ray.config.addresses import default_address
    from profl_ray.launch.demo import run_demo
    from profl_ray.tracking import prepare_store, resolve_uri
    from profl_ray.tuning import SweepRequest
    from profl_ray.tuning.request import base_config, check_resources, check_trainable
    from tune_spaces import find_space

    # Results go below the storage root, where `make ui` looks, whatever the shell's MLFLOW_TRACKING_URI says.
    root = storage_root.expanduser().absolute()
    settings = [f"tracking.uri={default_address(root)}", *(overrides or ()), f"storage.root={root}"]
    request = SweepRequest(space=find_space(space), overrides=tuple(settings))
    # A user's mistakes show before a head is started.
    config = base_config(request)
    check_resources(request, config, [this_machine(cpus)])
    check_trainable(request, config)
    if config.tracking.enabled:
        prepare_store(resolve_uri(config), config.tracking.experiment, config.storage.root)
    raise typer.Exit(run_demo(space, [*settings, *_absolute(config)], root, cpus))


def _absolute(config: "ExperimentConfig") -> Iterator[str]:
    """Yield the settings that name files, with absolute paths: a job runs in a folder of its own."""
    from profl_ray.tracking import resolve_uri

    yield f"tracking.uri={resolve_uri(config)}"
    if config.data.root is not None:
        yield f"data.root={config.data.root}"
    if config.federation.quotas.path is not None:
        yield f"federation.quotas.path={config.federation.quotas.path}"


def ui(
    storage_root: StorageRoot = Path("runs"),
    host: Annotated[str, typer.Option(help="Address to listen on.")] = "127.0.0.1",
    port: Annotated[int, typer.Option(min=1, max=65535, help="Port to listen on.")] = 5000,
) -> None:
    """Show the runs in the MLflow UI until Ctrl-C."""
    from profl_ray.launch.ui import run_ui

    run_ui(storage_root, host, port)
