"""ResNet18 and ResNet34 for small images (He et al., CVPR 2016): 3x3 stem of stride 1, no max-pool.

A unit is a residual block; the stem belongs to the first. Stages are the four of the paper.
"""

from dataclasses import dataclass

from torch import nn

from profl_ray.models.convolutional import Convolutional
from profl_ray.models.residual import BasicBlock, conv3x3
from profl_ray.models.unit import Unit, scaled

STAGE_CHANNELS = (64, 128, 256, 512)


@dataclass(frozen=True)
class ResNet(Convolutional):
    """A ResNet of basic blocks; `stages` counts the residual blocks of each stage."""

    stages: tuple[int, int, int, int]

    def units(self, input_shape: tuple[int, ...], width: float, rate: float) -> list[Unit]:
        """Build the residual blocks; each stage but the first halves the image."""
        in_channels = input_shape[0]
        channels = scaled(STAGE_CHANNELS[0], width, rate)
        stem = [conv3x3(in_channels, channels), nn.BatchNorm2d(channels), nn.ReLU(inplace=True)]
        units: list[Unit] = []
        for stage, (base, num_units) in enumerate(zip(STAGE_CHANNELS, self.stages, strict=True)):
            for index in range(num_units):
                out_channels = scaled(base, width, rate)
                stride = 2 if stage > 0 and index == 0 else 1
                layers = [*stem, BasicBlock(channels, out_channels, stride)]
                units.append(
                    Unit(
                        *layers,
                        in_channels=in_channels if stem else channels,
                        out_channels=out_channels,
                        stride=stride,
                    )
                )
                stem, channels = [], out_channels
        return units


FAMILIES = {"resnet18": ResNet((2, 2, 2, 2)), "resnet34": ResNet((3, 4, 6, 3))}
