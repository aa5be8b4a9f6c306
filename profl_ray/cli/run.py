"""`profl-ray run`: one experiment, in this process or on Ray."""

import signal
import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from types import FrameType
from typing import Annotated

import typer

from profl_ray.cli.options import Json, Overrides, Recipe, print_json


def run(
    recipe: Recipe,
    overrides: Overrides = None,
    json: Json = False,
    resume: Annotated[
        str | None, typer.Option(metavar="RUN_ID", help="Go on with a run that was interrupted.")
    ] = None,
) -> None:
    """Train one experiment and track it in MLflow.

    Example: profl-ray run digits_tiny fleet.backend=ray fleet.num_actors=2
    """
    from profl_ray.cli.console import RunView
    from profl_ray.config.load import load_experiment, resumed_config
    from profl_ray.errors import UserError
    from profl_ray.fleet.driver import Driver, RunIdentity
    from profl_ray.secrecy import kept_name, new_name
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
            driver = Driver(config, identity)
            view.begin(name, driver.num_steps)
            with stop_on_signal(driver.stop):
                summary = driver.run(view.show)
        else:
            from profl_ray.fleet.ray_driver import run_on_ray

            summary = run_on_ray(config, identity, lambda: view.begin(name), view.show, stop_on_signal)
    view.end(summary, uri)
    if json:
        print_json(summary)
    if not summary["finished"]:
        raise typer.Exit(130)


@contextmanager
def stop_on_signal(stop: Callable[[], object]) -> Iterator[None]:
    """Let the first Ctrl-C or SIGTERM end the run after the current round, and a second one at once."""

    def handle(signum: int, _: FrameType | None) -> None:
        print("stopping after this round; everything is saved", file=sys.stderr, flush=True)
        signal.signal(signal.SIGINT, signal.default_int_handler)
        signal.signal(signal.SIGTERM, signal.SIG_DFL)
        stop()

    before = {number: signal.signal(number, handle) for number in (signal.SIGINT, signal.SIGTERM)}
    try:
        yield
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)
