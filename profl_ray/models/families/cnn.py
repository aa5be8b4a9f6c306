"""A small network for demonstrations and tests: four convolutions, each with batch norm and ReLU."""

from dataclasses import dataclass

from torch import nn

from profl_ray.models.convolutional import Convolutional
from profl_ray.models.unit import Unit, scaled

CHANNELS = (16, 32, 64, 64)


@dataclass(frozen=True)
class SmallCNN(Convolutional):
    """Four 3x3 convolutions; the second and the fourth halve the image."""

    stages: tuple[int, ...] = (2, 2)

    def units(self, input_shape: tuple[int, ...], width: float, rate: float) -> list[Unit]:
        """Build the four units."""
        units, in_channels = [], input_shape[0]
        for index, base in enumerate(CHANNELS):
            out_channels = scaled(base, width, rate)
            stride = 1 + index % 2
            units.append(
                Unit(
                    nn.Conv2d(in_channels, out_channels, 3, stride=stride, padding=1, bias=False),
                    nn.BatchNorm2d(out_channels),
                    nn.ReLU(inplace=True),
                    in_channels=in_channels,
                    out_channels=out_channels,
                    stride=stride,
                )
            )
            in_channels = out_channels
        return units


FAMILIES = {"cnn": SmallCNN()}
