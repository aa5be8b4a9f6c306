"""Supervised local training: cross-entropy against the labels."""

from dataclasses import dataclass

from torch import Tensor, nn
from torch.nn import functional

from profl_ray.training.procedure import Procedure


@dataclass(frozen=True)
class Supervised(Procedure):
    """Cross-entropy of the model's logits (paper, sections 4 and 5)."""

    def loss(self, model: nn.Module, images: Tensor, labels: Tensor) -> Tensor:
        """Return the mean cross-entropy over the batch."""
        return functional.cross_entropy(model(images), labels)
