"""Needs of every method, nothing trained: `python benchmarks/memory_by_method.py [--batches 32,64,128]`.

CIFAR images, ten classes, momentum SGD, float32, the paper's partitions; 100 devices with U[100, 900] MB,
seed 42. Prints the tables of docs/results/memory.md as Markdown.
"""

import argparse
from collections.abc import Iterator
from dataclasses import dataclass, replace

import numpy as np

from profl_ray.config import ExperimentConfig
from profl_ray.config.load import load_experiment
from profl_ray.errors import Unaffordable
from profl_ray.federation import draw_quotas
from profl_ray.memory import NeedEstimator
from profl_ray.models import Network, find_family
from profl_ray.server.experiment import need_estimator
from profl_ray.strategies import StrategyContext, full_task, make_strategy
from profl_ray.tuning.comparison import METHODS

MODELS = ("resnet18", "resnet34", "vgg11_bn", "vgg16_bn")
NUM_DEVICES = 100
PAPERS_REDUCTION = 0.574
NOT_AVAILABLE = "n/a, 0 %"


@dataclass(frozen=True)
class StepNeeds:
    """A step of a method: what its tasks need, costliest first; the share of devices that can afford one."""

    name: str
    needs_mib: tuple[float, ...]
    share: float


@dataclass(frozen=True)
class Case:
    """A model at a batch size."""

    model: str
    batch_size: int

    def network(self) -> Network:
        """Return the network for CIFAR images."""
        return Network(self.model, 1.0, (3, 32, 32), 10, find_family(self.model).stages)

    def config(self, method: str = "profl") -> ExperimentConfig:
        """Return the paper's configuration with the method's settings."""
        settings = [f"{key}={value}" for key, value in METHODS[method].items()]
        return load_experiment("paper", [f"training.batch_size={self.batch_size}", *settings])

    def full_mib(self, estimate: NeedEstimator) -> float:
        """Return the need of training the whole network."""
        return estimate(full_task(self.network(), self.config())).mib

    def steps(self, method: str, estimate: NeedEstimator) -> list[StepNeeds]:
        """Return the method's steps; Unaffordable if no device can take part."""
        config = self.config(method)
        quotas_mib = draw_quotas(config.federation.quotas, NUM_DEVICES, config.seed, self.full_mib(estimate))
        strategy = make_strategy(StrategyContext(self.network(), config, estimate, quotas_mib))
        needs: dict[str, list[float]] = {}
        for step, task in strategy.schedule():
            needs.setdefault(str(step), []).append(estimate(task).mib)
        able = strategy.quotas_mib()
        return [
            StepNeeds(name, tuple(of_step), float(np.mean(able >= min(of_step))))
            for name, of_step in needs.items()
        ]


def profl_table(cases: list[Case], estimate: NeedEstimator) -> Iterator[str]:
    """Yield ProFL's needs by growing step; a shrinking step needs what that of its block needs."""
    yield "| model | batch | full | grow 1 | grow 2 | grow 3 | grow 4 | Map, most | peak | below full |"
    yield "|---|---|---|---|---|---|---|---|---|---|"
    for case in cases:
        full_mib = case.full_mib(estimate)
        steps = case.steps("profl", estimate)
        grow = [step.needs_mib[0] for step in steps if step.name.startswith("grow")]
        most_of_map = max(step.needs_mib[0] for step in steps if step.name.startswith("map"))
        peak = max(step.needs_mib[0] for step in steps)
        cells = [f"{need:.1f}" for need in grow] + [""] * (4 - len(grow))
        yield (
            f"| {case.model} | {case.batch_size} | {full_mib:.1f} | {' | '.join(cells)} | {most_of_map:.1f} "
            f"| {peak:.1f} | {100 * (1 - peak / full_mib):.1f} % |"
        )


def methods_table(cases: list[Case], estimate: NeedEstimator) -> Iterator[str]:
    """Yield for every method its peak need, the reduction, and the share of devices that can take part."""
    yield "| model | batch | " + " | ".join(METHODS) + " |"
    yield "|---|---|" + "---|" * len(METHODS)
    for case in cases:
        cells = [_cell(case, method, estimate) for method in METHODS]
        yield f"| {case.model} | {case.batch_size} | {' | '.join(cells)} |"


def _cell(case: Case, method: str, estimate: NeedEstimator) -> str:
    try:
        steps = case.steps(method, estimate)
    except Unaffordable:
        return NOT_AVAILABLE
    shares = [round(100 * step.share) for step in steps]
    if not min(shares):
        return NOT_AVAILABLE
    peak = max(max(step.needs_mib) for step in steps)
    least, most = min(shares), max(shares)
    who = f"{most} %" if least == most else f"{least}-{most} %"
    return f"{peak:.0f} ({100 * (peak / case.full_mib(estimate) - 1):+.0f} %), {who}"


def reduction_table(estimate: NeedEstimator) -> Iterator[str]:
    """Yield ProFL's reduction by batch size and partition: which setting reaches the paper's 57.4 %."""
    batches = (16, 32, 64, 88, 128, 256, 512)
    yield "| model | partition | " + " | ".join(f"batch {batch}" for batch in batches) + " |"
    yield "|---|---|" + "---|" * len(batches)
    for model in MODELS:
        stages = find_family(model).stages
        for partition in (stages, (1,) * sum(stages)):
            cells = []
            for batch in batches:
                network = replace(Case(model, batch).network(), partition=partition)
                reduction = _reduction(network, Case(model, batch).config(), estimate)
                mark = "**" if abs(reduction - PAPERS_REDUCTION) < 0.01 else ""
                cells.append(f"{mark}{100 * reduction:.1f} %{mark}")
            name = str(list(partition)) if partition == stages else "a block per unit"
            yield f"| {model} | {name} | {' | '.join(cells)} |"


def _reduction(network: Network, config: ExperimentConfig, estimate: NeedEstimator) -> float:
    """Return the reduction by the costliest growing step, which is the costliest of all."""
    unlimited = np.full(NUM_DEVICES, np.inf)
    strategy = make_strategy(StrategyContext(network, config, estimate, unlimited))
    grow = [task for step, task in strategy.schedule() if step.stage == "grow"]
    return 1 - max(estimate(task).mib for task in grow) / estimate(full_task(network, config)).mib


def main() -> None:
    """Print the tables."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--batches", default="32,64,128")
    arguments = parser.parse_args()
    cases = [Case(model, int(batch)) for model in MODELS for batch in arguments.batches.split(",")]
    estimate = need_estimator(load_experiment("paper", []).storage.root)
    for table in (profl_table(cases, estimate), methods_table(cases, estimate), reduction_table(estimate)):
        for line in table:
            print(line, flush=True)
        print()


if __name__ == "__main__":
    main()
