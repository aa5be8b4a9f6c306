"""Arguments that several commands share."""

import json
from typing import Annotated, Any

import typer

from profl_ray.config.load import recipe_names

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
Json = Annotated[bool, typer.Option("--json", help="Make the last line one JSON object.")]


def print_json(values: dict[str, Any]) -> None:
    """Print one JSON object on one line."""
    print(json.dumps(values), flush=True)
