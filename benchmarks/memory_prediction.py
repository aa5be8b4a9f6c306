"""Predicted need against measured peak, step by step: `python benchmarks/memory_prediction.py > table.md`.

Each case trains two batches for real, on one thread, and counts what PyTorch's allocator hands out (see
docs/memory.md). The largest case takes 0.3 GiB.
"""

import numpy as np
import torch

from profl_ray.config import ExperimentConfig
from profl_ray.config.load import load_experiment
from profl_ray.memory import MIB, NeedEstimator, measure_peak_bytes
from profl_ray.models import Network, find_family, initialise
from profl_ray.strategies import StrategyContext, full_task, make_strategy
from profl_ray.training import LocalTask
from profl_ray.training.local import probe_batches

CASES = [
    ("resnet18", 0.25, 32, (1, 32, 32)),
    ("resnet18", 1.0, 32, (3, 32, 32)),
    ("resnet34", 0.5, 32, (3, 32, 32)),
    ("vgg11_bn", 0.5, 32, (3, 32, 32)),
    ("vgg16_bn", 0.5, 32, (3, 32, 32)),
    ("cnn", 1.0, 32, (1, 8, 8)),
]


def measured_mib(task: LocalTask) -> float:
    """Return the measured peak of training `task`."""
    with torch.device("meta"):
        model = task.build()
    model.to_empty(device="cpu").to(memory_format=torch.channels_last)
    initialise(model, 0)
    return measure_peak_bytes(model, lambda: probe_batches(model, task, torch.device("cpu"))) / MIB


def main() -> None:
    """Print the table as Markdown."""
    torch.set_num_threads(1)
    estimate = NeedEstimator()
    print("| model | batch | step | predicted MiB | measured MiB | error |")
    print("|---|---|---|---|---|---|")
    for name, width, batch_size, image_shape in CASES:
        config: ExperimentConfig = load_experiment("paper", [f"training.batch_size={batch_size}"])
        network = Network(name, width, image_shape, 10, find_family(name).stages)
        schedule = make_strategy(StrategyContext(network, config, estimate, np.empty(0))).schedule()
        tasks = {"full": full_task(network, config)}
        # A shrinking step is the same task as the growing step of its block.
        tasks |= {str(step): task for step, task in schedule if step.stage != "shrink"}
        for step, task in tasks.items():
            need, peak = estimate(task).mib, measured_mib(task)
            print(
                f"| {name} x{width:g} | {batch_size} | {step} | {need:.2f} | {peak:.2f} "
                f"| {100 * (peak / need - 1):+.1f} % |",
                flush=True,
            )


if __name__ == "__main__":
    main()
