"""VGG11 and VGG16 with batch norm (Simonyan & Zisserman, ICLR 2015), convolutions only.

A unit is convolution - batch norm - ReLU (- max-pool), laid out as in torchvision; the classifier is the pool
and one FC of every model here. Stages end after a max-pool.
"""

from dataclasses import dataclass

from torch import nn

from profl_ray.models.convolutional import Convolutional
from profl_ray.models.unit import Unit, scaled


@dataclass(frozen=True)
class VGG(Convolutional):
    """A VGG; `groups` are the channels of each convolution, in a list for each max-pool at the end."""

    groups: tuple[tuple[int, ...], ...]
    stages: tuple[int, ...]

    def units(self, input_shape: tuple[int, ...], width: float, rate: float) -> list[Unit]:
        """Build the groups."""
        units = []
        channels = input_shape[0]
        for group in self.groups:
            for index, base in enumerate(group):
                out_channels = scaled(base, width, rate)
                units.append(_unit(channels, out_channels, pooled=index == len(group) - 1))
                channels = out_channels
        return units


def _unit(in_channels: int, out_channels: int, pooled: bool) -> Unit:
    layers = [
        nn.Conv2d(in_channels, out_channels, kernel_size=3, padding=1),
        nn.BatchNorm2d(out_channels),
        nn.ReLU(inplace=True),
        *([nn.MaxPool2d(kernel_size=2, stride=2)] if pooled else []),
    ]
    return Unit(*layers, in_channels=in_channels, out_channels=out_channels, stride=2 if pooled else 1)


FAMILIES = {
    "vgg11_bn": VGG(((64,), (128,), (256, 256), (512, 512), (512, 512)), stages=(4, 4)),
    "vgg16_bn": VGG(
        ((64, 64), (128, 128), (256, 256, 256), (512, 512, 512), (512, 512, 512)), stages=(4, 3, 6)
    ),
}
