"""`profl-ray memory`: what fits where, without training."""

from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from profl_ray.cli.options import Json, Overrides, print_json
from profl_ray.cli.words import results

if TYPE_CHECKING:
    from profl_ray.server.memory_table import MemoryTable
    from profl_ray.server.needs import StepNeed
    from profl_ray.strategies import Stage


def memory(
    overrides: Overrides = None,
    model: Annotated[
        str, typer.Option(help="cnn, resnet18, resnet34, vgg11_bn, vgg16_bn, yours.")
    ] = "resnet18",
    batch_size: Annotated[int, typer.Option(help="Examples per optimizer step.")] = 128,
    width: Annotated[float, typer.Option(help="Multiplier of every layer's channels.")] = 1.0,
    partition: Annotated[
        str, typer.Option(help="stages, units, units per block ([2,2,2,2]) or a number of blocks.")
    ] = "stages",
    quotas: Annotated[
        str,
        typer.Option(
            metavar="LOW-HIGH|FILE", help="Quotas: uniform in MB, or a file with one number of MiB per line."
        ),
    ] = "100-900",
    devices: Annotated[
        int | None, typer.Option(help="Number of devices; default: 100, or the lines of the quota file.")
    ] = None,
    shape: Annotated[
        str, typer.Option("--input", metavar="SHAPE", help="Shape of an input: CxHxW of an image.")
    ] = "3x32x32",
    classes: Annotated[int, typer.Option(min=1, help="Number of labels.")] = 10,
    plot: Annotated[Path | None, typer.Option(help="Write a figure (.png or .svg).")] = None,
    json: Json = False,
) -> None:
    """Predict the memory of every training step, and how many devices can afford it.

    Example: profl-ray memory --model resnet18 --batch-size 128
    """
    from profl_ray.config.load import load_experiment
    from profl_ray.server.experiment import need_estimator
    from profl_ray.server.memory_table import memory_table
    from profl_ray.strategies import find_strategy

    if plot is not None:
        _check_plot(plot)
    kind, num_quotas = _quota_settings(quotas)
    num_devices = devices if devices is not None else num_quotas or 100
    settings = [
        f"model.name={model}",
        f"model.width={width}",
        f"model.partition={partition}",
        f"training.batch_size={batch_size}",
        f"federation.num_devices={num_devices}",
        f"federation.cohort_size={min(20, num_devices)}",
        *kind,
    ]
    config = load_experiment("paper", [*settings, *(overrides or [])]).with_absolute_paths()
    table = memory_table(config, _sizes(shape), classes, need_estimator(config.storage.root))
    with results():
        _print_table(table, f"{model} x{width:g}, batch {batch_size}, inputs {shape}")
        _print_ways(table)
        print(
            f"peak over all steps {table.peak_need_mib:.1f} MiB: "
            f"{100 * table.reduction:.1f} % below full training"
        )
    if plot is not None:
        _plot(table, plot, find_strategy(config.strategy.name).stages)
    if json:
        print_json(_as_json(table))


def _quota_settings(quotas: str) -> tuple[list[str], int]:
    """Return the settings that --quotas stands for, and how many quotas a file has (0: it is no file)."""
    from profl_ray.federation.quotas import read_quotas

    low, dash, high = quotas.partition("-")
    if dash and low.isdecimal() and high.isdecimal():
        return [
            "federation.quotas.name=uniform_mb",
            f"federation.quotas.low_mb={low}",
            f"federation.quotas.high_mb={high}",
        ], 0
    settings = ["federation.quotas.name=file", f"federation.quotas.path={quotas}"]
    return settings, len(read_quotas(Path(quotas)))


def _sizes(shape: str) -> tuple[int, ...]:
    from profl_ray.errors import UserError

    sizes = shape.split("x")
    if not all(size.isdecimal() and int(size) > 0 for size in sizes):
        raise UserError(
            f"--input {shape}: give sizes with x between them, channels x height x width of images: 3x32x32"
        )
    return tuple(map(int, sizes))


def _print_table(table: "MemoryTable", title: str) -> None:
    from rich.console import Console
    from rich.table import Table

    parts = list(table.full.need.parts_mib())
    view = Table(title=f"{title}, partition {list(table.partition)}: peak memory in MiB")
    view.add_column("step")
    for name in ("need", "below full", *parts, "devices that can afford it"):
        view.add_column(name, justify="right")

    def add(row: "StepNeed") -> None:
        view.add_row(
            str(row.step),
            f"{row.need.mib:.1f}",
            "" if row is table.full else f"{100 * (1 - row.need.mib / table.full.need.mib):.1f} %",
            *(f"{mib:.1f}" for mib in row.need.parts_mib().values()),
            f"{100 * row.eligible_share:.0f} %",
        )

    add(table.full)
    view.add_section()
    for row in table.steps:
        add(row)
    Console(width=None if Console().is_terminal else 140).print(view)


def _print_ways(table: "MemoryTable") -> None:
    """Show what each step needs by backpropagation in other ways: the question of which one fits."""
    from rich.console import Console
    from rich.table import Table

    from profl_ray.server.memory_table import WAYS

    pieces = f"micro-batches of {table.micro_batch_size}"
    view = Table(title="other ways to the same steps: MiB (devices that can afford it)")
    view.add_column("step")
    for name in ("plain", "recomputed", pieces, "both"):
        view.add_column(name, justify="right")
    rows = [row for row in (table.full, *table.steps) if table.ways[row.task]]
    for row in rows:
        found = [table.ways[row.task][way] for way in WAYS]
        cells = [f"{each.need_mib:.1f} ({100 * each.eligible_share:.0f} %)" for each in found]
        view.add_row(str(row.step), *cells, end_section=row is table.full)
    Console(width=None if Console().is_terminal else 140).print(view)
    print(
        "recomputed: the same weights, units run forward twice (training.recompute=auto: as few as a quota "
        "asks for)\nmicro-batches: another training where batch norm uses batch statistics"
    )


def _check_plot(path: Path) -> None:
    from profl_ray.errors import UserError

    if path.suffix not in (".png", ".svg", ".pdf"):
        raise UserError(f"--plot {path}: give a name that ends with .png, .svg or .pdf")


def _plot(table: "MemoryTable", path: Path, stages: "Sequence[Stage]") -> None:
    from profl_ray.figures.memory import StepMemory, memory_figure

    needs = [StepMemory(str(row.step), row.step.stage, row.need.mib, None) for row in table.steps]
    figure = memory_figure(needs, table.quotas_mib, table.full.need.mib, stages)
    path.parent.mkdir(parents=True, exist_ok=True)
    figure.savefig(path, dpi=150)
    print(f"wrote {path}")


def _as_json(table: "MemoryTable") -> dict[str, Any]:
    def as_json(row: "StepNeed") -> dict[str, Any]:
        return {
            "stage": row.step.stage,
            "block": row.step.block,
            "need_mib": row.need.mib,
            "parts": row.need.parts_mib(),
            "eligible_share": row.eligible_share,
            **{
                f"{name}{way}{unit}": value
                for way, found in table.ways[row.task].items()
                if way != "plain"
                for name, unit, value in (
                    ("need_", "_mib", found.need_mib),
                    ("eligible_share_", "", found.eligible_share),
                )
            },
        }

    return {
        "partition": list(table.partition),
        "full": as_json(table.full),
        "peak_need_mib": table.peak_need_mib,
        "reduction": table.reduction,
        "micro_batch_size": table.micro_batch_size,
        "steps": [as_json(row) for row in table.steps],
    }
