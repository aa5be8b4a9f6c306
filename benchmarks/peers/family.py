"""The benchmark's CNN as a model family of profl-ray, and the workload as a configuration of its own."""

from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from torch import nn
from workload import Workload

from profl_ray.config import DataConfig, ExperimentConfig, load_experiment
from profl_ray.federation import Examples, image_examples, load_data
from profl_ray.models import Convolutional
from profl_ray.models.registry import FAMILIES
from profl_ray.models.unit import Unit


@dataclass(frozen=True)
class FedAvgFamily(Convolutional):
    """Two convolutions with pools, FC 512; the head that every network here has is FC 10."""

    stages: tuple[int, ...] = (1, 1, 1)

    def units(self, input_shape: tuple[int, ...], width: float, rate: float) -> list[Unit]:
        """Build the three units, for images of 28x28."""
        in_channels = input_shape[0]
        return [
            Unit(*_convolution(in_channels, 32), in_channels=in_channels, out_channels=32, stride=2),
            Unit(*_convolution(32, 64), in_channels=32, out_channels=64, stride=2),
            Unit(
                nn.Flatten(),
                nn.Linear(64 * 7 * 7, 512),
                nn.ReLU(inplace=True),
                nn.Unflatten(1, (512, 1, 1)),
                in_channels=64,
                out_channels=512,
                stride=7,
            ),
        ]


def _convolution(in_channels: int, out_channels: int) -> list[nn.Module]:
    return [
        nn.Conv2d(in_channels, out_channels, 5, padding=2),
        nn.ReLU(inplace=True),
        nn.MaxPool2d(2),
    ]


def register() -> None:
    """Make the family known to this process."""
    FAMILIES["fedavg_cnn"] = FedAvgFamily()


def load_unpadded(config: DataConfig) -> Examples:
    """Return Fashion-MNIST at its own 28x28."""
    data = load_data(config)
    train, test = (
        np.ascontiguousarray(images[..., 2:-2, 2:-2]) for images in (data.train_inputs, data.test_inputs)
    )
    return image_examples(train, data.train_labels, test, data.test_labels, 10, "Fashion-MNIST, 28x28")


def configure(workload: Workload, root: Path, **more: Any) -> ExperimentConfig:
    """Return the workload as an experiment: FedAvg for all devices, evaluated and saved at the end only."""
    settings = {
        "seed": workload.seed,
        "data.name": "fashion_mnist",
        "data.examples_per_device": workload.examples_per_device,
        "federation.num_devices": workload.num_devices,
        "federation.cohort_size": workload.cohort_size,
        "federation.quotas.name": "uniform_mb",
        "federation.quotas.low_mb": 2000,
        "federation.quotas.high_mb": 2001,
        "model.name": "fedavg_cnn",
        "model.partition": "stages",
        "training.local_epochs": 1,
        "training.batch_size": workload.batch_size,
        "training.learning_rate": workload.learning_rate,
        "training.momentum": 0,
        "training.weight_decay": 0,
        "strategy.name": "fedavg",
        "strategy.rounds": workload.num_rounds,
        "evaluation.every_rounds": workload.num_rounds,
        "storage.root": root.resolve(),
        "storage.checkpoint_every_rounds": workload.num_rounds,
        "fleet.backend": "ray",
        "fleet.num_actors": 2,
        # One sum an actor and round, as the floor's and pfl's workers send.
        "fleet.cohort_groups": 2,
    }
    return load_experiment("digits_tiny", [f"{key}={value}" for key, value in (settings | more).items()])
