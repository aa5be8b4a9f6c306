"""What families of convolutional networks have in common: they eat images and pass on maps [N, C, H, W]."""

from math import log2

import torch
from torch import Tensor, nn

from profl_ray.models.unit import UnitShape


class Convolutional:
    """All of a family but `stages` and `units`, where features are maps."""

    def blank(
        self, batch_size: int, input_shape: tuple[int, ...], device: torch.device | None = None
    ) -> Tensor:
        """Return black images: float32 [batch_size, C, H, W]."""
        return torch.zeros(batch_size, *input_shape, device=device)

    def pool(self, features: Tensor) -> Tensor:
        """Return the mean over each map: [N, C, H, W] -> [N, C]."""
        return features.mean(dim=(2, 3))

    def proxy(self, shape: UnitShape) -> nn.Module:
        """Build a 3x3 convolution with the block's channels and total stride, no bias (ProFL, section 4)."""
        return nn.Conv2d(
            shape.in_channels, shape.out_channels, kernel_size=3, stride=shape.stride, padding=1, bias=False
        )

    def bottleneck(self, in_channels: int, out_channels: int) -> list[nn.Module]:
        """Build separable convolutions of stride 2 up to the last block's width.

        One for each doubling of the channels that is left, at least one (DepthFL's code: one per later block,
        of two such pairs each: ours are lighter).
        """
        # Rounded: of narrow networks the channels double only about.
        num_layers = max(1, round(log2(out_channels / in_channels)))
        layers: list[nn.Module] = []
        for index in range(num_layers):
            wider = out_channels if index == num_layers - 1 else min(out_channels, 2 * in_channels)
            layers += _separable(in_channels, wider)
            in_channels = wider
        return layers

    def initialise(self, layer: nn.Module, draw: torch.Generator) -> bool:
        """Tell that the rules of all families do."""
        return False


def _separable(in_channels: int, out_channels: int) -> list[nn.Module]:
    """Return a 3x3 convolution per channel with stride 2, then a 1x1 one across channels."""
    return [
        nn.Conv2d(in_channels, in_channels, 3, stride=2, padding=1, groups=in_channels, bias=False),
        nn.BatchNorm2d(in_channels),
        nn.ReLU(inplace=True),
        nn.Conv2d(in_channels, out_channels, 1, bias=False),
        nn.BatchNorm2d(out_channels),
        nn.ReLU(inplace=True),
    ]
