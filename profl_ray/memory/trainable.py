"""What the estimator must know of a piece of training, without knowing who trains."""

from typing import Protocol

import torch
from torch import Tensor, nn


class Trainable(Protocol):
    """A sub-model with its local procedure."""

    @property
    def memory_key(self) -> str:
        """What the need depends on, as text: equal keys have equal needs."""
        ...

    @property
    def batch_size(self) -> int:
        """Images per optimizer step."""
        ...

    @property
    def image_shape(self) -> tuple[int, int, int]:
        """Channels, height and width of an image."""
        ...

    @property
    def num_classes(self) -> int:
        """Number of labels."""
        ...

    def build(self) -> nn.Module:
        """Build the module on torch's current default device, trainable parameters marked."""
        ...

    def make_optimizer(self, model: nn.Module) -> torch.optim.Optimizer | None:
        """Return a new optimizer of the trainable parameters; None for a procedure without one."""
        ...

    def train_batch(
        self, model: nn.Module, optimizer: torch.optim.Optimizer | None, images: Tensor, labels: Tensor
    ) -> Tensor:
        """Do one local step on images [N, C, H, W] and labels [N]; return the loss, a scalar."""
        ...
