"""From a configuration to everything that a run is made of, checked before anything starts."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from functools import cached_property, partial
from hashlib import sha256
from pathlib import Path
from typing import Any

import numpy as np
import torch

from profl_ray.config import ExperimentConfig, FleetConfig
from profl_ray.config.load import names_from_outside
from profl_ray.config.tree import NAMED
from profl_ray.errors import NotHere
from profl_ray.facts import KeptFacts
from profl_ray.federation import DataSplit, Examples, Part, draw_quotas, load_data, split_examples
from profl_ray.memory import NeedEstimator, unit_costs_bytes
from profl_ray.models import Network, balanced_partition, check_partition, find_family, takes_its_inputs
from profl_ray.plugins import digest_of
from profl_ray.server.needs import StepNeed, check_affordable, step_needs
from profl_ray.server.ways import least_need
from profl_ray.strategies import Strategy, StrategyContext, full_task, make_strategy
from profl_ray.training import WorkerSettings


@dataclass(frozen=True)
class Experiment:
    """A federation, a network and a strategy's context: all that is fixed before the first round."""

    config: ExperimentConfig
    data: Examples
    split: DataSplit
    quotas_mib: np.ndarray
    """float64 [num_devices]."""
    network: Network
    full_need_mib: float
    estimate: NeedEstimator

    @cached_property
    def data_sha256(self) -> str:
        """Digest of all examples, labels and groups, wherever they lie."""
        digest = sha256()
        for array in self.data.arrays:
            digest.update(f"{array.shape}{array.dtype}".encode())
            digest.update(array.data if array.flags.c_contiguous else array.tobytes())
        return digest.hexdigest()

    @property
    def chosen_by(self) -> Part:
        """What every accuracy of a round is measured on, and so what settings are chosen by."""
        return "test" if self.split.validation is None else "validation"

    def num_evaluated(self, part: Part) -> int:
        """Return the number of examples of a part."""
        if part == "test" or self.split.validation is None:
            return len(self.data.test_labels)
        return len(self.split.validation)

    @property
    def contents(self) -> dict[str, str]:
        """Digests of what was read from files that `data.root` and `federation.quotas.path` may name."""
        found = {"data": self.data_sha256}
        if self.config.federation.quotas.name == "file":
            found["quotas"] = sha256(self.quotas_mib.tobytes()).hexdigest()
        return found

    @property
    def plugins(self) -> dict[str, str]:
        """Digests of the sources of what comes from outside the package, by the key that names it."""
        names = names_from_outside(self.config)
        return {key: digest_of(names[key]) for key in NAMED if key in names}

    def make_strategy(self) -> Strategy:
        """Return the configured strategy, at its beginning."""
        return make_strategy(strategy_context(self.network, self.config, self.estimate, self.quotas_mib))

    def worker_settings(self) -> WorkerSettings:
        """Return what every worker must know."""
        config = self.config
        return WorkerSettings(
            seed=config.seed,
            augment=config.data.augment != "none",
            enforce_quotas=config.fleet.enforce_quotas,
            overhead_mib=config.fleet.overhead_mib,
            accelerator=config.fleet.accelerator,
            features_root=config.storage.root / "cache" / "features",
            features_mib=config.fleet.features_mib,
        )

    def split_as_json(self) -> dict[str, Any]:
        """Return the data split as plain values."""
        return self.split.to_json(self.data.train_labels, self.data.num_classes)

    def step_needs(self, strategy: Strategy) -> list[StepNeed]:
        """Return need and eligible share of every task in the strategy's schedule."""
        return step_needs(strategy, self.estimate)

    def check_affordable(self, needs: Sequence[StepNeed]) -> None:
        """Raise Unaffordable if there is a step that no device can afford."""
        check_affordable(needs, self.quotas_mib.max())


def _check_accelerator(fleet: FleetConfig) -> None:
    if fleet.accelerator == "cuda" and fleet.backend == "in_process" and not torch.cuda.is_available():
        raise NotHere("fleet.accelerator=cuda: this machine has no GPU that PyTorch can use (allowed: cpu)")


def make_network(
    config: ExperimentConfig, input_shape: tuple[int, ...], num_classes: int, facts: KeptFacts
) -> Network:
    """Return the configured network; UserError for an unknown model or a partition that does not fit."""
    model = config.model
    stages = find_family(model.name).stages
    whole = Network(model.name, model.width, input_shape, num_classes, stages)
    facts.get(f"takes its inputs: {whole!r}", lambda: takes_its_inputs(whole), _true)
    if not isinstance(model.partition, int):
        return replace(whole, partition=check_partition(model.partition, stages, model.name))
    by_units = replace(whole, partition=(1,) * sum(stages))
    batch_size = config.training.batch_size
    costs_bytes = facts.get(
        f"unit costs: {by_units!r}, batch {batch_size}",
        lambda: unit_costs_bytes(by_units, batch_size),
        _floats,
    )
    return replace(whole, partition=balanced_partition(costs_bytes, model.partition))


def _true(value: Any) -> bool:
    if value is not True:
        raise ValueError(value)
    return value


def _floats(values: Any) -> list[float]:
    return [float(value) for value in values]


def strategy_context(
    network: Network, config: ExperimentConfig, estimate: NeedEstimator, quotas_mib: np.ndarray
) -> StrategyContext:
    """Return what a strategy is given; the need that it sees of a task is that of the cheapest way."""
    need = partial(least_need, recompute=config.training.recompute, estimate=estimate)
    return StrategyContext(network, config, need, quotas_mib)


def need_estimator(storage_root: Path) -> NeedEstimator:
    """Return the estimator with its cache under the storage root."""
    return NeedEstimator(storage_root / "cache" / "needs")


def assemble(config: ExperimentConfig, load: Callable[..., Examples] = load_data) -> Experiment:
    """Build the experiment: data, split, network, needs, quotas. Raises UserError for what cannot be."""
    # The cheap mistakes first: a name or a partition, before the data set is read.
    find_family(config.model.name)
    _check_accelerator(config.fleet)
    data = load(config.data)
    estimate = need_estimator(config.storage.root)
    network = make_network(config, data.input_shape, data.num_classes, estimate.facts)
    num_devices = config.federation.num_devices
    split = split_examples(
        data.train_labels, data.num_classes, num_devices, config.data, config.seed, data.train_groups
    )
    full_need_mib = estimate(full_task(network, config)).mib
    quotas_mib = draw_quotas(config.federation.quotas, num_devices, config.seed, full_need_mib)
    return Experiment(config, data, split, quotas_mib, network, full_need_mib, estimate)
