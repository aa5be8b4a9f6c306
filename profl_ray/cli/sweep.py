"""`profl-ray sweep`: many experiments with Ray Tune, here or inside `ray job submit`."""

import shlex
import sys
from dataclasses import replace
from enum import StrEnum
from typing import Annotated

import typer

from profl_ray.cli.options import Json, Overrides, Space
from profl_ray.cli.sweeping import carry_out


class SearchName(StrEnum):
    """How the space is searched."""

    grid = "grid"
    random = "random"
    optuna = "optuna"


class SchedulerName(StrEnum):
    """Which trials are stopped early."""

    fifo = "fifo"
    halving = "halving"


def sweep(
    space: Space,
    overrides: Overrides = None,
    recipe: Annotated[
        str | None, typer.Option(help="A recipe, or a YAML file, to start from instead of the space's own.")
    ] = None,
    search: Annotated[SearchName | None, typer.Option(help="Default: the space's own.")] = None,
    scheduler: Annotated[
        SchedulerName | None,
        typer.Option(
            help="halving stops, of the trials that are cut alike, the worse half (then two thirds, ...) at "
            "the end of each step, when all are there; default: the space's own."
        ),
    ] = None,
    num_samples: Annotated[
        int | None, typer.Option(min=1, help="Trials of a random or Optuna search.")
    ] = None,
    max_concurrent: Annotated[int | None, typer.Option(min=1, help="Trials at the same time.")] = None,
    resume: Annotated[
        str | None, typer.Option(metavar="SWEEP", help="Resume a sweep that was interrupted.")
    ] = None,
    json: Json = False,
) -> None:
    """Sweep a search space with Ray Tune and track every trial in MLflow.

    On this machine: profl-ray sweep freezing. On a cluster, from the project's folder:
    ray job submit --working-dir . -- python -m profl_ray sweep freezing storage.root=/shared/runs
    """
    from profl_ray.tuning import SweepRequest
    from tune_spaces import find_space

    found = find_space(space)
    request = SweepRequest(
        space=found if recipe is None else replace(found, recipe=recipe),
        overrides=tuple(overrides or ()),
        search=search.value if search else None,
        scheduler=scheduler.value if scheduler else None,
        num_samples=num_samples,
        max_concurrent=max_concurrent,
        command=shlex.join(["profl-ray", *sys.argv[1:]]),
    )
    carry_out(request, resume, json)
