"""A network: a family's member for one data set, cut into blocks."""

from dataclasses import dataclass
from functools import cached_property
from itertools import accumulate

import torch
from torch import Tensor
from torch._subclasses.fake_tensor import unset_fake_temporarily

from profl_ray.models.family import Family
from profl_ray.models.registry import find_family
from profl_ray.models.unit import Unit, UnitShape, joint_shape


@dataclass(frozen=True)
class Network:
    """A plan of a network; nothing is allocated. Blocks are counted from 1 to `num_blocks`."""

    name: str
    width: float
    input_shape: tuple[int, ...]
    """Of one input: (channels, height, width) of images, (length,) of tokens."""
    num_classes: int
    partition: tuple[int, ...]
    """Units per block."""
    rate: float = 1.0
    """Share of every layer's channels that this network has of the configured one (HeteroFL's r)."""

    @property
    def family(self) -> Family:
        """The family that it is a member of."""
        return find_family(self.name)

    @property
    def num_blocks(self) -> int:
        """T, the number of blocks."""
        return len(self.partition)

    @property
    def num_units(self) -> int:
        """Number of units."""
        return sum(self.partition)

    def build_units(self) -> list[Unit]:
        """Build all units on torch's current default device."""
        return self.family.units(self.input_shape, self.width, self.rate)

    def blank(self, batch_size: int, device: torch.device | None = None) -> Tensor:
        """Return a batch of what the network takes, of no content, on `device` or torch's default one."""
        return self.family.blank(batch_size, self.input_shape, device)

    @cached_property
    def unit_shapes(self) -> tuple[UnitShape, ...]:
        """Channels and stride of every unit."""
        # The memory estimator asks within its fake mode, which in PyTorch 2.14 takes no meta tensors.
        with unset_fake_temporarily(), torch.device("meta"):
            units = self.build_units()
        return tuple(UnitShape(unit.in_channels, unit.out_channels, unit.stride) for unit in units)

    def units_of(self, block: int) -> range:
        """Return the indices of the units of `block`."""
        stops = [0, *accumulate(self.partition)]
        return range(stops[block - 1], stops[block])

    def block_shape(self, block: int) -> UnitShape:
        """Return channels and total stride of `block`."""
        return joint_shape([self.unit_shapes[index] for index in self.units_of(block)])
