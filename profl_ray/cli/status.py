"""`profl-ray status`: the state of a sweep, and what the cluster is doing."""

import dataclasses
import time
from typing import TYPE_CHECKING, Annotated, Any

import typer

from profl_ray.cli.options import Json, Overrides, print_json
from profl_ray.cli.words import deliver, reader_has_left

if TYPE_CHECKING:
    from profl_ray.tracking import SweepProgress, TrialProgress

WATCH_SECONDS = 5.0


def status(
    sweep: Annotated[
        str | None, typer.Argument(help="Name or run id of a sweep, or of a single run; default: the newest.")
    ] = None,
    overrides: Overrides = None,
    address: Annotated[
        str | None,
        typer.Option(envvar="RAY_API_SERVER_ADDRESS", help="A cluster's dashboard: show its resources, too."),
    ] = None,
    watch: Annotated[
        bool, typer.Option("--watch", help="Refresh every 5 s until the sweep has ended.")
    ] = False,
    json: Json = False,
) -> None:
    """Show the state of a sweep: trials, rounds, accuracy; with --address the cluster's resources, too.

    Example: profl-ray status tracking.uri=http://mlflow:5000 --address http://head:8265
    """
    from profl_ray.cli.report import name_and_settings
    from profl_ray.config.load import load_experiment
    from profl_ray.launch.jobs import Jobs
    from profl_ray.tracking import read_progress, resolve_uri

    name, settings = name_and_settings(sweep, overrides)
    config = load_experiment("digits_tiny", settings).with_absolute_paths()
    uri = resolve_uri(config)
    jobs = Jobs(address) if address else None
    while True:
        progress = read_progress(uri, config.tracking.experiment, name)
        name = progress.name  # Of the newest: it stays the one we watch.
        resources = usage(jobs.nodes(), jobs.actors(), jobs.running()) if jobs else None
        if json:
            print_json(dataclasses.asdict(progress) | ({"resources": resources} if resources else {}))
        else:
            deliver("\n".join(lines(progress) + (resource_lines(resources) if resources else [])))
        if not watch or progress.ended or reader_has_left():
            return
        time.sleep(WATCH_SECONDS)
        if not json:
            print()


def lines(progress: "SweepProgress") -> list[str]:
    """Return what to print of a sweep."""
    counts: dict[str, int] = {}
    for trial in progress.trials:
        counts[trial.state] = counts.get(trial.state, 0) + 1
    told = ", ".join(f"{number} {state}" for state, number in counts.items()) or "no trial has begun yet"
    table: list[tuple[str, ...]] = [
        ("trial", "state", "step", "rounds", "accuracy", "need MiB", "last round")
    ]
    table += [_cells(trial) for trial in progress.trials]
    widths = [max(len(row[column]) for row in table) for column in range(len(table[0]))]
    body = [
        "  ".join(cell.ljust(width) for cell, width in zip(row, widths, strict=True)).rstrip()
        for row in table
    ]
    why = [f"{trial.name}: {trial.state}: {trial.reason}" for trial in progress.trials if trial.reason]
    return [f"{progress.name}: {progress.state}; trials: {told}", *(body if progress.trials else []), *why]


def _cells(trial: "TrialProgress") -> tuple[str, ...]:
    return (
        trial.name,
        trial.state,
        trial.step or "-",
        str(trial.rounds),
        "-" if trial.accuracy is None else f"{trial.accuracy:.4f}",
        "-" if trial.need_mib is None else f"{trial.need_mib:.2f}",
        "-" if trial.silent_seconds is None else f"{_span(trial.silent_seconds)} ago",
    )


def _span(seconds: float) -> str:
    """Return a time in its two largest units."""
    whole = max(0, int(seconds))
    if whole < 60:
        return f"{whole} s"
    if whole < 3600:
        return f"{whole // 60} min"
    return f"{whole // 3600} h {whole % 3600 // 60} min"


def usage(nodes: list[dict[str, Any]], actors: list[dict[str, Any]], running: list[str]) -> dict[str, Any]:
    """Return jobs, and of every node its CPUs and GPUs, how many are reserved, and its actors."""
    described = []
    for node in nodes:
        here = [actor for actor in actors if actor["node_id"] == node["node_id"]]
        described.append(
            {"address": node["address"], "is_head": node["is_head"], "num_actors": len(here)}
            | {
                name: {
                    "total": node["resources"].get(key, 0.0),
                    "reserved": sum(actor["resources"].get(key, 0.0) for actor in here),
                }
                for key, name in (("CPU", "cpus"), ("GPU", "gpus"))
            }
        )
    return {"jobs": running, "nodes": described}


def resource_lines(resources: dict[str, Any]) -> list[str]:
    """Return what to print of a cluster."""
    jobs = ", ".join(resources["jobs"]) or "none"
    found = [f"cluster: {len(resources['nodes'])} nodes; running jobs: {jobs}"]
    for node in resources["nodes"]:
        gpus = (
            f", {node['gpus']['reserved']:g} of {node['gpus']['total']:g} GPUs"
            if node["gpus"]["total"]
            else ""
        )
        found.append(
            f"  {node['address']}{' (head)' if node['is_head'] else ''}: {node['cpus']['reserved']:g} of "
            f"{node['cpus']['total']:g} CPUs{gpus} reserved by {node['num_actors']} actors"
        )
    return found
