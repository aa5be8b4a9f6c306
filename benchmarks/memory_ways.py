"""Full training and ProFL in four ways: `python benchmarks/memory_ways.py [--batches 32,64] [--measure]`.

CIFAR images, ten classes, momentum SGD, float32, the paper's partitions; 100 devices with U[100, 900] MB,
seed 42. Prints the tables of docs/results/memory.md as Markdown; `--measure` adds what PyTorch's allocator
really handed out in a real step of full training and of the step that is costliest plainly.
"""

import argparse
from functools import partial

import torch

from profl_ray.config.load import load_experiment
from profl_ray.memory import MIB, measure_step_bytes
from profl_ray.models import initialise
from profl_ray.server.experiment import need_estimator
from profl_ray.server.memory_table import WAYS, MemoryTable, memory_table
from profl_ray.training import LocalTask

MODELS = ("resnet18", "resnet34", "vgg11_bn", "vgg16_bn")


def table_of(model: str, batch: int) -> MemoryTable:
    """Return the needs of a model at a batch size under the recipe `paper`."""
    config = load_experiment("paper", [f"model.name={model}", f"training.batch_size={batch}"])
    return memory_table(config.with_absolute_paths(), (3, 32, 32), 10, need_estimator(config.storage.root))


def row(model: str, batch: int) -> str:
    """Return the row of the table: MiB, how much below plain full training, devices that can afford it."""
    table = table_of(model, batch)
    full = table.ways[table.full.task]
    cells = []
    for way in WAYS:
        cells.append(f"{full[way].need_mib:.1f}, {100 * full[way].eligible_share:.0f} %")
    for way in WAYS:
        need_mib = table.peak_mib(way)
        share = min(
            (found[way].eligible_share for step in table.steps if (found := table.ways[step.task])),
            default=0.0,
        )
        below = 100 * (1 - need_mib / full["plain"].need_mib)
        cells.append(f"{need_mib:.1f} ({below:.1f} %), {100 * share:.0f} %")
    return f"| {model}, {batch} | " + " | ".join(cells) + " |"


def measured(model: str, batch: int) -> str:
    """Return need and measured peak of full training and of ProFL's costliest step, plain and recomputed."""
    table = table_of(model, batch)
    costliest = max(table.steps, key=lambda step: step.need_mib).task
    cells = []
    for task in (table.full.task, costliest):
        for count in (0, task.num_recomputable):
            way = task.recomputing(count)
            need_mib = need_estimator(load_experiment("paper").storage.root)(way).mib
            cells.append(f"{need_mib:.1f} / {peak_mib(way):.1f}")
    return f"| {model}, {batch} | " + " | ".join(cells) + " |"


def peak_mib(task: LocalTask) -> float:
    """Return the measured peak of a real step."""
    model = task.build().to(memory_format=torch.channels_last)
    initialise(model, 0)
    return measure_step_bytes(model, partial(task.begin, model, None, torch.channels_last)) / MIB


def main() -> None:
    """Print the tables."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--batches", default="32,64,128")
    parser.add_argument("--measure", action="store_true")
    arguments = parser.parse_args()
    torch.set_num_threads(1)
    batches = [int(batch) for batch in arguments.batches.split(",")]
    names = ("plain", "recomputed", "pieces of 16", "both")
    print(
        "| model, batch | "
        + " | ".join(f"{what} {name}" for what in ("full", "ProFL") for name in names)
        + " |"
    )
    print("|---" * (1 + 2 * len(names)) + "|")
    for model in MODELS:
        for batch in batches:
            print(row(model, batch), flush=True)
    if arguments.measure:
        print(
            "\n| model, batch | full plain | full recomputed | costliest step plain | the same recomputed |"
        )
        print("|---|---|---|---|---|")
        for batch in batches:
            print(measured("resnet18", batch), flush=True)


if __name__ == "__main__":
    main()
