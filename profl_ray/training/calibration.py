"""Calibration: running statistics of batch norm from forward passes alone; no parameter changes."""

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass

import torch
from torch import Tensor, nn
from torch.nn import functional

from profl_ray.models import Features
from profl_ray.training.procedure import BatchStep, Device, Outcome, Procedure, Task


@dataclass(frozen=True)
class Calibration(Procedure):
    """One pass; running statistics become the plain mean over the device's batches."""

    batch_size: int

    def begin(self, model: nn.Module, device: Device | None = None) -> BatchStep:
        """Return the step: a forward pass, whose cross-entropy is for the record only."""

        @torch.no_grad()
        def step(inputs: Features, labels: Tensor) -> Tensor:
            return functional.cross_entropy(model(inputs), labels)

        return step

    def work(self, model: nn.Module, task: Task, device: Device) -> Outcome:
        """Go through the examples once."""
        step = self.begin(model)
        loss_sum, num_seen = torch.zeros((), dtype=torch.float64, device=device.labels.device), 0
        with _plain_means(model):
            for inputs, labels in device.epoch(device.own("local"), self.batch_size):
                loss_sum += step(inputs, labels).double() * len(labels)
                num_seen += len(labels)
        return Outcome(float(loss_sum) / num_seen, weight=len(device.labels))


@contextmanager
def _plain_means(model: nn.Module) -> Iterator[None]:
    """Reset the running statistics, and let them be means of all that is seen meanwhile."""
    layers = [layer for layer in model.modules() if isinstance(layer, nn.BatchNorm2d)]
    before = [layer.momentum for layer in layers]
    for layer in layers:
        layer.reset_running_stats()
        layer.momentum = None
    try:
        yield
    finally:
        for layer, momentum in zip(layers, before, strict=True):
            layer.momentum = momentum
