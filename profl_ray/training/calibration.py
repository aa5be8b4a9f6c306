"""Calibration: running statistics of batch norm from forward passes alone; no parameter changes."""

from dataclasses import dataclass

import torch
from torch import Tensor, nn
from torch.nn import functional

from profl_ray.training.procedure import Procedure
from profl_ray.training.sgd import LeanSGD


@dataclass(frozen=True)
class Calibration(Procedure):
    """One pass; running statistics become the plain mean over the device's batches."""

    def make_optimizer(self, model: nn.Module) -> None:
        """Reset the running statistics and let them average; there is nothing to optimise."""
        for layer in model.modules():
            if isinstance(layer, nn.BatchNorm2d):
                layer.reset_running_stats()
                layer.momentum = None

    def loss(self, model: nn.Module, images: Tensor, labels: Tensor) -> Tensor:
        """Return the cross-entropy, for the record only."""
        return functional.cross_entropy(model(images), labels)

    @torch.no_grad()
    def train_batch(
        self, model: nn.Module, optimizer: LeanSGD | None, images: Tensor, labels: Tensor
    ) -> Tensor:
        """Run the batch forward in training mode."""
        return self.loss(model, images, labels)
