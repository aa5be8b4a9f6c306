"""Arguments that several commands share."""

import json
from importlib.util import find_spec
from pkgutil import iter_modules
from typing import Annotated, Any

import typer

from profl_ray.cli.words import deliver
from profl_ray.config.load import recipe_names


def _space_names() -> list[str]:
    # Found, not imported: the spaces import Ray Tune's room, and the help should come at once.
    spec = find_spec("tune_spaces")
    assert spec is not None
    return sorted(module.name for module in iter_modules(spec.submodule_search_locations))


Overrides = Annotated[
    list[str] | None,
    typer.Argument(
        metavar="[KEY=VALUE]...",
        help="Changes to the configuration, for instance seed=7 model.partition=[2,2] fleet.backend=ray; "
        "docs/configuration.md lists all keys.",
        show_default=False,
    ),
]
Recipe = Annotated[
    str, typer.Argument(help=f"Name of a recipe ({', '.join(recipe_names())}), or path of a YAML file.")
]
Space = Annotated[
    str,
    typer.Argument(help=f"Name of a search space, a file in tune_spaces/: {', '.join(_space_names())}."),
]
Json = Annotated[bool, typer.Option("--json", help="Print one JSON object as the last line.")]


def print_json(values: dict[str, Any]) -> None:
    """Print one JSON object on one line."""
    deliver(json.dumps(values))
