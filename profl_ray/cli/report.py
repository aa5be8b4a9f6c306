"""`profl-ray report`: the result table, figures and one HTML page of a sweep, read from MLflow."""

import sys
from pathlib import Path
from typing import Annotated

import typer

from profl_ray.cli.options import Overrides
from profl_ray.cli.words import deliver


def name_and_settings(sweep: str | None, overrides: list[str] | None) -> tuple[str | None, list[str]]:
    """Return the sweep's name and the settings: the name may stand before, behind or between them."""
    from profl_ray.errors import UserError

    words = [word for word in (sweep, *(overrides or ())) if word is not None]
    names = [word for word in words if "=" not in word]
    if len(names) > 1:
        raise UserError(f"name one sweep or run, not {len(names)}: {' '.join(names)}")
    return (names[0] if names else None), [word for word in words if "=" in word]


def report(
    sweep: Annotated[
        str | None, typer.Argument(help="Name or run id of a sweep, or of a single run; default: the newest.")
    ] = None,
    overrides: Overrides = None,
    output: Annotated[Path, typer.Option(help="Where to write the page.")] = Path("report.html"),
    csv: Annotated[Path | None, typer.Option(help="Write the table as CSV, too.")] = None,
    figures: Annotated[Path | None, typer.Option(help="Write the figures as PNG and PDF here, too.")] = None,
    markdown: Annotated[bool, typer.Option(help="Print the tables as Markdown.")] = False,
    steps: Annotated[bool, typer.Option(help="Print the steps of every trial as Markdown, too.")] = False,
) -> None:
    """Write one self-contained HTML report of a sweep.

    Example: profl-ray report --output report.html (or another store: tracking.uri=http://host:5000)
    """
    from analysis import as_csv, result_rows, steps_as_markdown, summary_text, write_pictures, write_report
    from profl_ray.config.load import load_experiment
    from profl_ray.tracking import adopt_artifacts, read_sweep, resolve_uri

    name, settings = name_and_settings(sweep, overrides)
    config = load_experiment("digits_tiny", settings).with_absolute_paths()
    uri = resolve_uri(config)
    adopt_artifacts(uri, config.storage.root)
    data = read_sweep(uri, config.tracking.experiment, name)
    rows = result_rows(data)
    if data.unread_notice:
        print(f"warning: {data.unread_notice}", file=sys.stderr)
    deliver(summary_text(rows, markdown))
    for trial in data.trials if steps else []:
        deliver(f"\n{trial.name}\n\n{steps_as_markdown(trial.records)}\n")
    if csv is not None:
        csv.parent.mkdir(parents=True, exist_ok=True)
        csv.write_text(as_csv(rows))
        print(f"wrote {csv}")
    for path in write_pictures(rows, figures) if figures is not None else []:
        print(f"wrote {path}")
    output.parent.mkdir(parents=True, exist_ok=True)
    print(f"wrote {write_report(data, output)}")
