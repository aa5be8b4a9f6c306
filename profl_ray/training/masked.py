"""Masked cross-entropy: a device learns to tell apart only the classes that it has (HeteroFL, section 3)."""

from dataclasses import dataclass, replace
from typing import Self

import torch
from torch import Tensor, nn
from torch.nn import functional

from profl_ray.training.procedure import Procedure


@dataclass(frozen=True)
class Masked(Procedure):
    """Cross-entropy with the logits of absent classes set to zero, which also stops their gradient."""

    present: tuple[int, ...] | None = None
    """The device's classes; None: all."""

    def begin(self, labels: Tensor, step_round: int) -> Self:
        """Return the procedure of a device with these labels [N]."""
        return replace(self, present=tuple(torch.unique(labels).tolist()))

    def loss(self, model: nn.Module, images: Tensor, labels: Tensor) -> Tensor:
        """Return the mean masked cross-entropy over the batch."""
        logits = model(images)
        # With all classes there too, so that a device needs what was estimated without knowing its labels.
        mask = torch.zeros_like(logits)
        mask[:, list(range(logits.shape[1]) if self.present is None else self.present)] = 1
        return functional.cross_entropy(logits * mask, labels)
