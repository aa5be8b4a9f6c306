"""Shallow networks as DepthFL trains them: the first blocks, with an exit after each."""

from dataclasses import dataclass

import torch
from torch import Tensor, nn

from profl_ray.models.family import Family, Features
from profl_ray.models.network import Network
from profl_ray.models.recompute import recompute


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
    """Inputs [N, ...] -> in training the logits of every exit, else their mean; each [N, num_classes].

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
        self.pool = network.family.pool
        self.recomputed = range(0)
        """Units that keep their input alone, and go forward again in the backward pass."""
        if plan.num_blocks == network.num_blocks:
            num_features = network.block_shape(network.num_blocks).out_channels
            self.head = nn.Linear(num_features, network.num_classes)

    def forward(self, inputs: Features) -> Tensor | tuple[Tensor, ...]:
        """Run the blocks one after another and leave at each exit."""
        features, logits = inputs, []
        for block, indices in enumerate(self.blocks, start=1):
            for index in indices:
                if index in self.recomputed:
                    features = recompute(self.units[str(index)], features)
                    continue
                for layer in self.units[str(index)].children():
                    features = layer(features)
            if str(block) in self.exits:
                logits.append(self.exits[str(block)](features))
            else:
                logits.append(self.head(self.pool(features)))
        return tuple(logits) if self.training else torch.stack(logits).mean(dim=0)


class Exit(nn.Sequential):
    """Bottleneck, pool and FC: features -> logits [N, num_classes]."""

    def __init__(self, family: Family, in_channels: int, out_channels: int, num_classes: int) -> None:
        super().__init__(*family.bottleneck(in_channels, out_channels), nn.Linear(out_channels, num_classes))
        self.pool = family.pool

    def forward(self, features: Features) -> Tensor:
        """Run the bottleneck's layers, then the family's pool, then the FC."""
        *bottleneck, fc = self
        for layer in bottleneck:
            features = layer(features)
        logits: Tensor = fc(self.pool(features))
        return logits


def build_exit(network: Network, block: int) -> Exit:
    """Return the exit after `block`: a bottleneck up to the last block's width, and an FC."""
    channels = network.block_shape(block).out_channels
    last = network.block_shape(network.num_blocks).out_channels
    return Exit(network.family, channels, last, network.num_classes)
