"""`profl-ray doctor`: is this machine, or this cluster, ready for a sweep?"""

from typing import Annotated

import typer

from profl_ray.cli.options import Json, Overrides, print_json
from profl_ray.cli.words import deliver


def doctor(
    recipe: Annotated[
        str | None, typer.Argument(help="Recipe to be run; default: digits_tiny.", show_default=False)
    ] = None,
    overrides: Overrides = None,
    json: Json = False,
) -> None:
    """Check this machine, or every node of the cluster, before a sweep.

    Here: profl-ray doctor fashion_resnet18. On a cluster, from the project's folder: ray job submit
    --working-dir . -- python -m profl_ray doctor digits_tiny storage.root=/shared/runs
    """
    from profl_ray.config.load import load_experiment
    from profl_ray.doctor import as_json, as_lines, examine
    from profl_ray.errors import UserError

    # The recipe may be left out, settings be given all the same.
    words = [word for word in (recipe, *(overrides or ())) if word is not None]
    names = [word for word in words if "=" not in word]
    if len(names) > 1:
        raise UserError(f"name one recipe, not {len(names)}: {' '.join(names)}")
    settings = [word for word in words if "=" in word]
    config = load_experiment(names[0] if names else "digits_tiny", settings).with_absolute_paths()
    checkup = examine(config)
    for line in as_lines(checkup.findings):
        deliver(line)
    if json:
        print_json(as_json(checkup.findings, checkup.nodes))
    if not checkup.passed:
        raise typer.Exit(1)
