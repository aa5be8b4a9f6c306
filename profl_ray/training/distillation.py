"""Distillation: a student's logits follow its teacher's."""

from dataclasses import dataclass

from torch import Tensor, nn
from torch.nn import functional

from profl_ray.training.procedure import Procedure


@dataclass(frozen=True)
class Distillation(Procedure):
    """Mean squared error between the two logits that the model returns (paper, Map in section 4)."""

    def loss(self, model: nn.Module, images: Tensor, labels: Tensor) -> Tensor:
        """Return the mean squared error over batch and classes; labels are not used."""
        student, teacher = model(images)
        return functional.mse_loss(student, teacher)
