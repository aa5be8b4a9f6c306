"""`profl-ray compare`: methods of several papers on the same federation, as one Tune experiment."""

import shlex
import sys
from typing import Annotated

import typer

from profl_ray.cli.options import Json, Overrides, Recipe
from profl_ray.cli.sweeping import carry_out


def compare(
    recipe: Recipe,
    overrides: Overrides = None,
    strategies: Annotated[
        str,
        typer.Option(
            help="Methods, comma-separated: ideal, allsmall, exclusive (FedAvg's three), depthfl, "
            "fedrolex, heterofl, profl, progfed, smartfreeze; default: all.",
            show_default=False,
        ),
    ] = "",
    seeds: Annotated[str, typer.Option(help="Root seeds, comma-separated.")] = "42",
    max_concurrent: Annotated[int | None, typer.Option(min=1, help="Trials at the same time.")] = None,
    resume: Annotated[
        str | None, typer.Option(metavar="SWEEP", help="Resume a comparison that was interrupted.")
    ] = None,
    json: Json = False,
) -> None:
    """Train several methods on the same data split, quotas and seeds, and print one table.

    METHOD:KEY=VALUE changes the configuration of one method. A method that no device can afford is n/a.

    Example: profl-ray compare digits_tiny --strategies ideal,exclusive,profl --seeds 1,2
    profl:freezing.phi=1.0
    """
    from profl_ray.tuning import SweepRequest
    from profl_ray.tuning.comparison import METHODS, comparison

    methods = strategies.split(",") if strategies else list(METHODS)
    space = comparison(recipe, methods, [_seed(word) for word in seeds.split(",")], overrides or ())
    request = SweepRequest(
        space=space,
        overrides=space.overrides,  # The user's own, so that a resumed one obeys them.
        max_concurrent=max_concurrent,
        command=shlex.join(["profl-ray", *sys.argv[1:]]),
    )
    carry_out(request, resume, json)


def _seed(word: str) -> int:
    from profl_ray.errors import UserError

    try:
        return int(word)
    except ValueError:
        raise UserError(f"--seeds: {word!r} is not a whole number") from None
