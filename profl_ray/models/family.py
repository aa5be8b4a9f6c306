"""Families of networks: all that the platform must know of a kind of model, in one place."""

from typing import Any, Protocol

import torch
from torch import Tensor, nn

from profl_ray.models.unit import Unit, UnitShape

Features = Any
"""What units pass on: a tensor, or any nest of tuples, lists and dicts of tensors (tokens with their mask).

The first axis of every tensor is the batch. Only `pool` and a proxy look inside.
"""


class Family(Protocol):
    """A family of networks: how its members are built, begin, and are stood for where a part is left out."""

    @property
    def stages(self) -> tuple[int, ...]:
        """Units per block of the partition called `stages` (the paper's, where it names one)."""
        ...

    def units(self, input_shape: tuple[int, ...], width: float, rate: float) -> list[Unit]:
        """Build the units for inputs of that shape, all channels as `scaled` says.

        A unit's first layer must leave its input as it is: a teacher and its student share it.
        """
        ...

    def blank(
        self, batch_size: int, input_shape: tuple[int, ...], device: torch.device | None = None
    ) -> Tensor:
        """Return a batch of what the first unit takes, of no content; `device`: default torch's."""
        ...

    def pool(self, features: Features) -> Tensor:
        """Return what a classifier takes of the features: float32 [N, out_channels of their unit]."""
        ...

    def proxy(self, shape: UnitShape) -> nn.Module:
        """Build what stands for a block of that shape in an output module: features -> features."""
        ...

    def bottleneck(self, in_channels: int, out_channels: int) -> list[nn.Module]:
        """Build the layers between an early block and the FC of its exit (DepthFL): features -> features."""
        ...

    def initialise(self, layer: nn.Module, draw: torch.Generator) -> bool:
        """Set the layer's own weights in place if the family has a rule for it; tell whether it has.

        What it leaves gets the rule that all families share (`initialise.py`).
        """
        ...
