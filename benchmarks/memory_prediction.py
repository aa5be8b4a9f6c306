"""Predicted need against measured peak: `python benchmarks/memory_prediction.py [--figure FILE] > table.md`.

Every case is a process of its own. It trains three batches of random images for real, on one thread, twice:
once counting what PyTorch's allocator hands out (docs/memory.md), and, before that, once watching how far the
process's resident set rises (Linux; with everything that the allocator does not see, such as oneDNN's
scratch memory and code). The largest case takes 1 GiB. `--accelerator cuda` measures on a GPU; `--jobs 8`
measures so many cases at a time.
"""

import argparse
import json
import subprocess
import sys
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import numpy as np
import torch
from matplotlib.figure import Figure

from profl_ray.config.load import load_experiment
from profl_ray.figures.style import COLOURS, INK, MARKERS, panels, save, styled
from profl_ray.memory import MIB, NeedEstimator, measure_peak_bytes
from profl_ray.models import Network, find_family, initialise
from profl_ray.server.experiment import need_estimator
from profl_ray.strategies import StrategyContext, full_task, make_strategy
from profl_ray.training import Device, LocalTask

CASES = [
    ("resnet18", 0.125, 32, (1, 32, 32)),
    ("resnet18", 1.0, 32, (3, 32, 32)),
    ("resnet18", 1.0, 128, (3, 32, 32)),
    ("resnet34", 1.0, 32, (3, 32, 32)),
    ("vgg11_bn", 1.0, 32, (3, 32, 32)),
    ("vgg16_bn", 1.0, 32, (3, 32, 32)),
    ("cnn", 1.0, 32, (1, 8, 8)),
]
RELATED = {"heterofl": ("train width 0.5", "train width 0.125"), "depthfl": ("train depth 1",)}
"""Tasks of other methods that are measured, too."""
NUM_BATCHES = 3


def tasks_of(network: Network, batch_size: int, estimate: NeedEstimator) -> dict[str, LocalTask]:
    """Return what is measured: full training, ProFL's steps, and some tasks of other methods."""
    tasks: dict[str, LocalTask] = {}
    for method in ("profl", *RELATED):
        settings = [f"training.batch_size={batch_size}", f"strategy.name={method}"]
        config = load_experiment("paper", settings)
        tasks.setdefault("full", full_task(network, config))
        context = StrategyContext(network, config, estimate, np.array([np.inf]))
        schedule = make_strategy(context).schedule()
        if method == "profl":
            # A shrinking step is the same task as the growing step of its block.
            tasks |= {str(step): task for step, task in schedule if step.stage != "shrink"}
        else:
            tasks |= {
                f"{method} {task.step.removeprefix('train ')}": task
                for _, task in schedule
                if task.step in RELATED[method]
            }
    return tasks


def measure(case: dict[str, Any]) -> dict[str, float]:
    """Return predicted, allocated and resident MiB of one case; meant for a process of its own."""
    torch.set_num_threads(1)
    network = Network(
        case["model"], case["width"], tuple(case["image"]), 10, find_family(case["model"]).stages
    )
    estimate = need_estimator(load_experiment("paper", []).storage.root)
    task = tasks_of(network, case["batch_size"], estimate)[case["step"]]
    predicted_mib = estimate(task).mib
    device = torch.device(case["accelerator"])
    with torch.device("meta"):
        model = task.build()
    initialise(model := model.to_empty(device="cpu").to(memory_format=torch.channels_last), 0)
    model.to(device)
    resident = sum(value.nbytes for value in model.state_dict().values())
    before = _reset_peak_rss_bytes()
    _train(model, task)
    risen = _peak_rss_bytes() - before if before else 0
    allocated = measure_peak_bytes(model, lambda: _train(model, task))
    return {
        "predicted_mib": predicted_mib,
        "allocated_mib": allocated / MIB,
        "resident_mib": (resident + risen) / MIB,
    }


def _measure_apart(case: dict[str, Any]) -> dict[str, float]:
    """Measure a case in a process of its own."""
    command = [sys.executable, __file__, "--case", json.dumps(case)]
    done = subprocess.run(command, check=True, stdout=subprocess.PIPE, text=True)
    measured: dict[str, float] = json.loads(done.stdout)
    return measured


def _train(model: torch.nn.Module, task: LocalTask) -> None:
    """Train a few batches."""
    device = next(model.parameters()).device
    num_examples = NUM_BATCHES * task.batch_size
    images = torch.rand(num_examples, *task.input_shape, generator=torch.Generator().manual_seed(0))
    labels = torch.arange(num_examples) % task.num_classes
    # The device's images are data, not training: held by the caller, and taken off below.
    task.procedure.work(model, task, Device(0, images.to(device), labels.to(device), 0, ("benchmark",)))
    model.zero_grad(set_to_none=True)


def _reset_peak_rss_bytes() -> int:
    """Set the resident set's high-water mark to what is resident now, and return that; 0 where it cannot."""
    try:
        Path("/proc/self/clear_refs").write_text("5")
    except OSError:
        return 0
    return _peak_rss_bytes()


def _peak_rss_bytes() -> int:
    for line in Path("/proc/self/status").read_text().splitlines():
        if line.startswith("VmHWM:"):
            return int(line.split()[1]) * 1024
    raise AssertionError("no VmHWM in /proc/self/status")


@styled
def figure(rows: list[dict[str, Any]]) -> Figure:
    """Draw measured against predicted MiB, on logarithmic axes, with the stated error as a band."""
    drawing, (axes,) = panels(1, width=6.4, height=5.2)
    ends = np.geomspace(0.1, 1500.0)
    axes.plot(ends, ends, color=INK, lw=1, label="measured = predicted")
    axes.fill_between(ends, ends, 1.2 * ends + 0.5, color="#dddddd", label="stated error: 20 % + 0.5 MiB")
    names = list(dict.fromkeys(row["name"] for row in rows))
    for place, name in enumerate(names):
        of_model = [row for row in rows if row["name"] == name]
        axes.plot(
            [row["predicted_mib"] for row in of_model],
            [row["allocated_mib"] for row in of_model],
            ls="",
            marker=MARKERS[place % len(MARKERS)],
            mfc=COLOURS[place % len(COLOURS)],
            mec=INK,
            ms=6,
            label=name,
        )
    axes.set_xscale("log")
    axes.set_yscale("log")
    axes.set_xlabel("Predicted need (MiB)")
    axes.set_ylabel("Measured peak of the allocator (MiB)")
    axes.legend(loc="upper left", fontsize=8)
    return drawing


def main() -> None:
    """Print the table as Markdown; with --case measure one case and print JSON."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--accelerator", default="cpu")
    parser.add_argument("--jobs", type=int, default=1)
    parser.add_argument("--figure", type=Path)
    parser.add_argument("--case", help="internal: measure this case, given as JSON")
    arguments = parser.parse_args()
    if arguments.case:
        print(json.dumps(measure(json.loads(arguments.case))))
        return
    rows, cases = [], []
    estimate = need_estimator(load_experiment("paper", []).storage.root)
    print("| model | batch | step | predicted MiB | allocated MiB | error | resident set MiB |")
    print("|---|---|---|---|---|---|---|")
    for model, width, batch_size, image in CASES:
        network = Network(model, width, image, 10, find_family(model).stages)
        for step in tasks_of(network, batch_size, estimate):
            case = {"model": model, "width": width, "batch_size": batch_size, "image": image, "step": step}
            cases.append(case | {"accelerator": arguments.accelerator})
    with ThreadPoolExecutor(arguments.jobs) as pool:
        for case, measured in zip(cases, pool.map(_measure_apart, cases), strict=True):
            model, width, batch_size = case["model"], case["width"], case["batch_size"]
            row = case | {"name": f"{model} x{width:g}, batch {batch_size}"} | measured
            rows.append(row)
            print(
                f"| {model} x{width:g} | {batch_size} | {case['step']} | {row['predicted_mib']:.2f} "
                f"| {row['allocated_mib']:.2f} "
                f"| {100 * (row['allocated_mib'] / row['predicted_mib'] - 1):+.1f} % "
                f"| {row['resident_mib']:.0f} |",
                flush=True,
            )
    if arguments.figure:
        save(figure(rows), arguments.figure, arguments.figure.suffix[1:])


if __name__ == "__main__":
    main()
