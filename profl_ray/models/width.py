"""Narrow networks as HeteroFL trains them: a share of every layer's channels, outputs scaled up again."""

from dataclasses import dataclass
from typing import Any

from torch import Tensor, nn

from profl_ray.models.network import Network
from profl_ray.models.submodel import SubModel, SubModelPlan


@dataclass(frozen=True)
class WidthPlan:
    """The network of rate r with HeteroFL's scaler; at rate 1 the plain network."""

    network: Network

    @property
    def prefix_limit(self) -> int:
        """No unit can be skipped."""
        return 0

    def build(self) -> SubModel:
        """Build the network on torch's current default device; names are those of the plain network."""
        model = SubModelPlan(self.network, self.network.num_blocks).build()
        if self.network.rate < 1:
            scale = _Scaler(self.network.rate)
            for layer in model.modules():
                if isinstance(layer, nn.Conv2d):
                    layer.register_forward_hook(scale)
        return model


@dataclass(frozen=True)
class _Scaler:
    """Divides a convolution's output by the rate while training, as dropout would (HeteroFL, section 3)."""

    rate: float

    def __call__(self, layer: nn.Module, inputs: Any, output: Tensor) -> Tensor:
        return output / self.rate if layer.training else output
