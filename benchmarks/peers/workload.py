"""What every contestant of `make bench` trains: data, model, local training. Needs torch and numpy only.

A contestant is a process of its own that is given a folder with what `prepare.py` wrote, and prints one JSON
object: seconds of every round and the final accuracy. Its draws of cohorts and batches are its own.
"""

import json
import sys
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import torch
from torch import Tensor, nn
from torch.nn import functional


@dataclass(frozen=True)
class Workload:
    """One federation and its rounds."""

    name: str
    num_devices: int
    examples_per_device: int
    cohort_size: int
    num_rounds: int
    batch_size: int = 32
    learning_rate: float = 0.05
    seed: int = 1


class Files:
    """The prepared folder; arrays are mapped, so that processes share them."""

    def __init__(self, folder: Path) -> None:
        self.workload = Workload(**json.loads((folder / "workload.json").read_text()))
        arrays = {path.stem: np.load(path, mmap_mode="r") for path in folder.glob("*.npy")}
        self.train_images, self.train_labels = arrays["train_images"], arrays["train_labels"]
        self.test_images, self.test_labels = arrays["test_images"], arrays["test_labels"]
        self.shares = arrays["shares"]
        """int64 [num_devices, examples_per_device]: the devices' images."""
        self.weights = arrays["weights"]
        """float32 [1663370]: the initial weights, in the order of the model's parameters."""
        self.mean, self.std = arrays["statistics"]

    def device(self, number: int) -> tuple[Tensor, Tensor]:
        """Return a device's images, float32 [N, 1, 28, 28], and labels [N]."""
        share = self.shares[number]
        return self._images(self.train_images[share]), torch.from_numpy(self.train_labels[share])

    def test(self) -> Iterator[tuple[Tensor, Tensor]]:
        """Yield the test images and labels, 250 at a time."""
        for start in range(0, len(self.test_labels), 250):
            part = slice(start, start + 250)
            yield self._images(self.test_images[part]), torch.from_numpy(self.test_labels[part].copy())

    def _images(self, pixels: np.ndarray) -> Tensor:
        images = torch.from_numpy(pixels.astype(np.float32))
        return images.mul_(1 / (255 * self.std)).add_(-self.mean / self.std)


class FedAvgCNN(nn.Sequential):
    """The CNN of McMahan et al., AISTATS 2017: images [N, 1, 28, 28] -> logits [N, 10]; 1.66 M parameters."""

    def __init__(self) -> None:
        super().__init__(
            nn.Conv2d(1, 32, 5, padding=2),
            nn.ReLU(inplace=True),
            nn.MaxPool2d(2),
            nn.Conv2d(32, 64, 5, padding=2),
            nn.ReLU(inplace=True),
            nn.MaxPool2d(2),
            nn.Flatten(),
            nn.Linear(64 * 7 * 7, 512),
            nn.ReLU(inplace=True),
            nn.Linear(512, 10),
        )

    @classmethod
    def channels_last(cls) -> "FedAvgCNN":
        """Return a model with weights in the layout that is fastest here."""
        return cls().to(memory_format=torch.channels_last)


@torch.no_grad()
def load_weights(model: nn.Module, flat: Tensor) -> None:
    """Copy flat weights into the model, in place."""
    start = 0
    for parameter in model.parameters():
        stop = start + parameter.numel()
        parameter.copy_(flat[start:stop].view(parameter.shape))
        start = stop


@torch.no_grad()
def flat_weights(model: nn.Module) -> Tensor:
    """Return the model's weights as one float32 array."""
    return torch.cat([parameter.reshape(-1) for parameter in model.parameters()])


def train(model: nn.Module, images: Tensor, labels: Tensor, workload: Workload, order: Tensor) -> None:
    """Train one epoch in place, the images in the given order."""
    optimizer = torch.optim.SGD(model.parameters(), lr=workload.learning_rate, fused=True)
    for batch in order.split(workload.batch_size):
        optimizer.zero_grad(set_to_none=True)
        inputs = images[batch].contiguous(memory_format=torch.channels_last)
        functional.cross_entropy(model(inputs), labels[batch]).backward()
        optimizer.step()


@torch.no_grad()
def accuracy(model: nn.Module, files: Files) -> float:
    """Return the share of the test images that the model names rightly."""
    correct = sum(int((model(images).argmax(dim=1) == labels).sum()) for images, labels in files.test())
    return correct / len(files.test_labels)


def prepared() -> Files:
    """Return the workload in the folder that the command line names, and let torch use one thread."""
    torch.set_num_threads(1)
    return Files(Path(sys.argv[1]))


def tell(**result: Any) -> None:
    """Print the result, the last line of a contestant's output."""
    print(json.dumps(result), flush=True)
