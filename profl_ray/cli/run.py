"""`profl-ray run`: one experiment, in this process or on Ray."""

import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import TYPE_CHECKING, Annotated, Any

import typer

from profl_ray.cli.options import Json, Overrides, Recipe, print_json
from profl_ray.signals import Interrupted, on_signal

if TYPE_CHECKING:
    from profl_ray.cli.console import RunView
    from profl_ray.config import ExperimentConfig
    from profl_ray.run.identity import RunIdentity


def run(
    recipe: Recipe,
    overrides: Overrides = None,
    json: Json = False,
    resume: Annotated[
        str | None, typer.Option(metavar="RUN_ID", help="Resume a run that was interrupted.")
    ] = None,
) -> None:
    """Train one experiment and track it in MLflow.

    Example: profl-ray run digits_tiny fleet.backend=ray fleet.num_actors=2
    """
    from profl_ray.cli.console import RunView
    from profl_ray.config.load import load_experiment, resumed_config
    from profl_ray.errors import UserError
    from profl_ray.names import kept_name, new_name
    from profl_ray.run.identity import RunIdentity
    from profl_ray.server.run_folder import RunFolder
    from profl_ray.tracking import resolve_uri

    config = load_experiment(recipe, overrides or []).with_absolute_paths()
    root = config.storage.root
    if resume is not None:
        folder = RunFolder(root / kept_name("--resume", resume, root))
        if not folder.exists:
            raise UserError(f"--resume {resume}: there is no such run in {root}")
        config = resumed_config(folder.config(), config, overrides or [], f"--resume {resume}")
    uri = resolve_uri(config) if config.tracking.enabled else None
    name = resume or new_name(config.recipe)
    identity = RunIdentity(root / name, name, uri)
    with RunView(config) as view:
        if config.fleet.backend == "in_process":
            summary = _run_here(config, identity, view)
        else:
            from profl_ray.run.ray_driver import run_on_ray

            summary = run_on_ray(
                config, identity, lambda: view.begin(name), view.show, stop_on_signal, view.say
            )
    view.end(summary, uri)
    if json:
        print_json(summary)
    if not summary["finished"]:
        raise typer.Exit(130)


def _run_here(config: "ExperimentConfig", identity: "RunIdentity", view: "RunView") -> dict[str, Any]:
    """Run the driver in this process; before it is set up, a signal ends the command at once."""
    from profl_ray.run.driver import Driver

    driver: Driver | None = None

    def stop() -> None:
        if driver is None:
            raise Interrupted
        driver.stop()

    with stop_on_signal(stop):
        driver = Driver(config, identity)
        view.begin(identity.name, driver.num_steps)
        return driver.run(view.show)


@contextmanager
def stop_on_signal(stop: Callable[[], object]) -> Iterator[None]:
    """Let the first Ctrl-C, SIGTERM or SIGHUP end the run after the current round, and a second one at once.

    `stop` may raise Interrupted where there is no round to wait for.
    """

    def first() -> None:
        try:
            stop()
        except Interrupted:
            print("interrupted", file=sys.stderr, flush=True)
            raise
        print("stopping after this round; everything is saved", file=sys.stderr, flush=True)

    with on_signal(first):
        yield
