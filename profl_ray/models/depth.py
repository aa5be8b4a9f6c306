"""Shallow networks as DepthFL trains them: the first blocks, with an exit after each."""

from dataclasses import dataclass
from math import log2

import torch
from torch import Tensor, nn

from profl_ray.models.network import Network


@dataclass(frozen=True)
class DepthPlan:
    """Blocks 1..`num_blocks` of a network with an exit after each."""

    network: Network
    num_blocks: int

    @property
    def prefix_limit(self) -> int:
        """No unit can be skipped."""
        return 0

    def build(self) -> "DepthModel":
        """Build the model on torch's current default device; its weights are not set."""
        return DepthModel(self)


class DepthModel(nn.Module):
    """Images [N, C, H, W] -> in training the logits of every exit, else their mean; each [N, num_classes].

    Blocks are `units.I`, the exit of block k is `exits.K`, the last block's `head`: units and head of the
    deepest model are the plain network.
    """

    def __init__(self, plan: DepthPlan) -> None:
        super().__init__()
        network = plan.network
        self.blocks = [list(network.units_of(block)) for block in range(1, plan.num_blocks + 1)]
        units = network.build_units()[: network.units_of(plan.num_blocks).stop]
        self.units = nn.ModuleDict({str(index): unit for index, unit in enumerate(units)})
        early = range(1, min(plan.num_blocks, network.num_blocks - 1) + 1)
        self.exits = nn.ModuleDict({str(block): build_exit(network, block) for block in early})
        if plan.num_blocks == network.num_blocks:
            num_features = network.block_shape(network.num_blocks).out_channels
            self.head = nn.Linear(num_features, network.num_classes)

    def forward(self, images: Tensor) -> Tensor | tuple[Tensor, ...]:
        """Run the blocks one after another and leave at each exit."""
        features, logits = images, []
        for block, indices in enumerate(self.blocks, start=1):
            for index in indices:
                for layer in self.units[str(index)].children():
                    features = layer(features)
            if str(block) in self.exits:
                logits.append(self.exits[str(block)](features))
            else:
                logits.append(self.head(features.mean(dim=(2, 3))))
        return tuple(logits) if self.training else torch.stack(logits).mean(dim=0)


class Exit(nn.Sequential):
    """Bottleneck, pool and FC: features [N, C, H, W] -> logits [N, num_classes]."""

    def forward(self, features: Tensor) -> Tensor:
        """Run the bottleneck's layers, then pool over the image, then the FC."""
        *bottleneck, fc = self
        for layer in bottleneck:
            features = layer(features)
        logits: Tensor = fc(features.mean(dim=(2, 3)))
        return logits


def build_exit(network: Network, block: int) -> Exit:
    """Return the exit after `block`: separable convolutions of stride 2 up to the last block's width, FC.

    One for each doubling of the channels that is left, at least one (DepthFL's code: one per later block, of
    two such pairs each: ours are lighter).
    """
    channels = network.block_shape(block).out_channels
    last = network.block_shape(network.num_blocks).out_channels
    # Rounded: of narrow networks the channels double only about.
    num_layers = max(1, round(log2(last / channels)))
    layers: list[nn.Module] = []
    for index in range(num_layers):
        out_channels = last if index == num_layers - 1 else min(last, 2 * channels)
        layers += _separable(channels, out_channels)
        channels = out_channels
    return Exit(*layers, nn.Linear(channels, network.num_classes))


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
