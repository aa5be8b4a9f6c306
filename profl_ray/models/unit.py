"""Units: the smallest pieces of a network between two possible cuts."""

import math
from collections.abc import Sequence
from dataclasses import dataclass

from torch import nn


class Unit(nn.Sequential):
    """Layers one after another: features of `in_channels` channels -> features of `out_channels`.

    Of maps [N, C, H, W] height and width are divided by `stride`; where there are none it is 1.
    """

    def __init__(self, *layers: nn.Module, in_channels: int, out_channels: int, stride: int) -> None:
        super().__init__(*layers)
        self.in_channels = in_channels
        self.out_channels = out_channels
        self.stride = stride


@dataclass(frozen=True)
class UnitShape:
    """What a proxy must know of the units that it stands for."""

    in_channels: int
    out_channels: int
    stride: int


def scaled(channels: int, width: float, rate: float = 1.0) -> int:
    """Return the channels of a network of `width`, and of these the share `rate`, rounded up; at least 1."""
    return math.ceil(rate * max(1, round(channels * width)))


def joint_shape(units: Sequence[UnitShape]) -> UnitShape:
    """Return the shape of consecutive units taken as one block."""
    assert units, "a block has at least one unit"
    stride = 1
    for unit in units:
        stride *= unit.stride
    return UnitShape(units[0].in_channels, units[-1].out_channels, stride)
