"""VGG11 and VGG16 with batch norm (Simonyan & Zisserman, ICLR 2015), convolutions only.

A unit is a group convolution - batch norm - ReLU (- max-pool) as torchvision lays it out; the classifier is
the pool and one FC of every model here. Stages end after a max-pool.
"""

from dataclasses import dataclass

from torch import nn

from profl_ray.models.unit import Unit, scaled


@dataclass(frozen=True)
class VGG:
    """A VGG; `config` is the letter of the configuration in the paper's table 1."""

    config: str
    stages: tuple[int, ...]

    def units(self, in_channels: int, width: float, rate: float) -> list[Unit]:
        """Build the groups; torchvision's builder expects RGB, so the first convolution is made here."""
        from torchvision.models.vgg import cfgs, make_layers  # brings the compiler: 150 MiB, a second

        channels = [
            scaled(entry, width, rate) if isinstance(entry, int) else entry for entry in cfgs[self.config]
        ]
        layers = list(make_layers(channels, batch_norm=True))
        first = layers[0]
        assert isinstance(first, nn.Conv2d)
        layers[0] = nn.Conv2d(in_channels, first.out_channels, kernel_size=3, padding=1)
        starts = [index for index, layer in enumerate(layers) if isinstance(layer, nn.Conv2d)]
        return [
            _unit(layers[start:stop]) for start, stop in zip(starts, [*starts[1:], len(layers)], strict=True)
        ]


def _unit(layers: list[nn.Module]) -> Unit:
    convolution = layers[0]
    assert isinstance(convolution, nn.Conv2d)
    pooled = isinstance(layers[-1], nn.MaxPool2d)
    return Unit(
        *layers,
        in_channels=convolution.in_channels,
        out_channels=convolution.out_channels,
        stride=2 if pooled else 1,
    )


FAMILIES = {"vgg11_bn": VGG("A", stages=(4, 4)), "vgg16_bn": VGG("D", stages=(4, 3, 6))}
