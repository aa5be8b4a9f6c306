"""A family that knows no image: tokens with their mask, an embedding, linear units, a mean over tokens.

And data for it, in groups as writers would be. Nothing outside this file knows of either.
"""

from dataclasses import dataclass
from itertools import pairwise

import numpy as np
import torch
from torch import Tensor, nn

from profl_ray.federation import Examples, check_examples
from profl_ray.models import Features
from profl_ray.models.unit import Unit, UnitShape, scaled

VOCABULARY = 32
LENGTH = 12
NUM_CLASSES = 4
CHANNELS = (16, 24, 24)


@dataclass(frozen=True)
class Tokens:
    """int32 [N, T] -> int64 [N, T]; a variant has other tokens left out."""

    pad: int

    def tensor(self, stored: np.ndarray) -> Tensor:
        return torch.from_numpy(stored.astype(np.int64))

    def augmented(self, batch: Tensor, draw: np.random.Generator) -> Tensor:
        left_out = torch.from_numpy(draw.random(tuple(batch.shape)) < 0.1)
        return torch.where(left_out, torch.full_like(batch, self.pad), batch)


class Embed(nn.Module):
    """int64 [N, T] -> float32 [N, T, channels] and which of them count, bool [N, T]."""

    def __init__(self, channels: int) -> None:
        super().__init__()
        self.table = nn.Embedding(VOCABULARY, channels)

    def forward(self, tokens: Tensor) -> tuple[Tensor, Tensor]:
        return self.table(tokens), tokens != 0


class Mix(nn.Module):
    """A linear layer on every token; the mask goes by."""

    def __init__(self, in_channels: int, out_channels: int) -> None:
        super().__init__()
        self.norm = nn.LayerNorm(in_channels)
        self.linear = nn.Linear(in_channels, out_channels)

    def forward(self, features: tuple[Tensor, Tensor]) -> tuple[Tensor, Tensor]:
        values, mask = features
        return torch.tanh(self.linear(self.norm(values))), mask


class Through(nn.Module):
    """What stands for units: one linear layer."""

    def __init__(self, in_channels: int, out_channels: int) -> None:
        super().__init__()
        self.linear = nn.Linear(in_channels, out_channels, bias=False)

    def forward(self, features: tuple[Tensor, Tensor]) -> tuple[Tensor, Tensor]:
        values, mask = features
        return self.linear(values), mask


@dataclass(frozen=True)
class TokenFamily:
    stages: tuple[int, ...] = (1, 1, 1)

    def units(self, input_shape: tuple[int, ...], width: float, rate: float) -> list[Unit]:
        assert len(input_shape) == 1
        sizes = [scaled(base, width, rate) for base in CHANNELS]
        units = [Unit(Embed(sizes[0]), in_channels=1, out_channels=sizes[0], stride=1)]
        for before, after in pairwise(sizes):
            units.append(Unit(Mix(before, after), in_channels=before, out_channels=after, stride=1))
        return units

    def blank(
        self, batch_size: int, input_shape: tuple[int, ...], device: torch.device | None = None
    ) -> Tensor:
        return torch.ones(batch_size, *input_shape, dtype=torch.int64, device=device)

    def pool(self, features: Features) -> Tensor:
        values, mask = features
        present = mask.unsqueeze(2)
        return (values * present).sum(dim=1) / present.sum(dim=1).clamp(min=1)

    def proxy(self, shape: UnitShape) -> nn.Module:
        return Through(shape.in_channels, shape.out_channels)

    def bottleneck(self, in_channels: int, out_channels: int) -> list[nn.Module]:
        return [] if in_channels == out_channels else [Through(in_channels, out_channels)]

    def initialise(self, layer: nn.Module, draw: torch.Generator) -> bool:
        if isinstance(layer, nn.Embedding):
            layer.weight.normal_(0.0, 0.5, generator=draw)
            return True
        return False


def make_tokens(num_train: int = 320, num_test: int = 80, num_groups: int = 20) -> Examples:
    """Return sequences whose label is told by which quarter of the vocabulary most tokens are from."""
    draw = np.random.default_rng(0)

    def part(count: int) -> tuple[np.ndarray, np.ndarray]:
        labels = np.arange(count) % NUM_CLASSES
        own = draw.integers(1, 8, (count, LENGTH)) + 8 * labels[:, None]
        other = draw.integers(1, VOCABULARY, (count, LENGTH))
        tokens = np.where(draw.random((count, LENGTH)) < 0.6, own, other)
        tokens[np.arange(LENGTH) >= draw.integers(4, LENGTH + 1, (count, 1))] = 0
        return tokens.astype(np.int32), labels

    groups = draw.integers(0, num_groups, num_train) * 7
    data = Examples(*part(num_train), *part(num_test), NUM_CLASSES, Tokens(pad=0), groups)
    check_examples(data, "made up")
    return data
