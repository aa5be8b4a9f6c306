"""Recomputation: a unit keeps its input alone, and goes forward once more when its gradient is asked for.

T. Chen et al., "Training Deep Nets with Sublinear Memory Cost", arXiv 1604.06174. Weights and running
statistics are those of plain backpropagation, bit for bit.

Not `torch.utils.checkpoint`, which imports PyTorch's compiler where it is first used: 170 MiB and two seconds
in every client actor.
"""

from collections.abc import Iterator
from contextlib import contextmanager, nullcontext
from typing import NoReturn

import torch
from torch import Tensor, nn
from torch.autograd.graph import saved_tensors_hooks
from torch.utils._pytree import tree_iter, tree_map

from profl_ray.models.family import Features


def recompute(unit: nn.Module, features: Features) -> Features:
    """Return what the layers of `unit` make of `features`, without keeping what lies between."""
    if not torch.is_grad_enabled():
        return _run(unit, features)
    call = _Call(unit, features)
    with saved_tensors_hooks(call.note, call.find):
        return _run(unit, features)


class _Call:
    """A unit with its features. Of a tensor that a backward pass will ask for, its number alone is kept."""

    def __init__(self, unit: nn.Module, features: Features) -> None:
        self.unit = unit
        self.features = features
        tensor = next(leaf for leaf in tree_iter(features) if isinstance(leaf, Tensor))
        self.generator = _generator(tensor.device)
        self.drawn = self.generator.get_state() if _draws(unit) else None
        self.num_saved = 0
        self.found: dict[int, Tensor] = {}

    def note(self, tensor: Tensor) -> int:
        """Count a tensor that is saved in the first pass."""
        self.num_saved += 1
        return self.num_saved - 1

    def find(self, number: int) -> Tensor:
        """Return it, from a second pass if it is not there."""
        if number not in self.found:
            self._go_again()
        return self.found.pop(number)

    def _go_again(self) -> None:
        saved: list[Tensor] = []

        def keep(tensor: Tensor) -> None:
            saved.append(tensor.detach())

        # Apart from the first pass's graph, whose gradients go on from here.
        features = tree_map(_apart, self.features)
        again = nullcontext() if self.drawn is None else _drawn_again(self.generator, self.drawn)
        with torch.enable_grad(), statistics_at_rest(self.unit), again, saved_tensors_hooks(keep, _not_asked):
            _run(self.unit, features)
        assert len(saved) == self.num_saved, "a unit saved other tensors in its second pass"
        self.found = dict(enumerate(saved))


def _run(unit: nn.Module, features: Features) -> Features:
    for layer in unit.children():
        features = layer(features)
    return features


def _apart(leaf: object) -> object:
    return leaf.detach().requires_grad_(leaf.requires_grad) if isinstance(leaf, Tensor) else leaf


def _not_asked(_: object) -> NoReturn:
    raise AssertionError("no backward pass goes through the second pass's graph")


@contextmanager
def statistics_at_rest(unit: nn.Module) -> Iterator[None]:
    """Let batch norm leave its running statistics as they are: the first pass has moved them."""
    layers = [layer for layer in unit.modules() if isinstance(layer, nn.modules.batchnorm._BatchNorm)]
    before = [layer.momentum for layer in layers]
    for layer in layers:
        layer.momentum = 0.0  # x * 1 + batch * 0
    try:
        yield
    finally:
        for layer, momentum in zip(layers, before, strict=True):
            layer.momentum = momentum


def _draws(unit: nn.Module) -> bool:
    return any(
        isinstance(layer, nn.modules.dropout._DropoutNd) and layer.training for layer in unit.modules()
    )


def _generator(device: torch.device) -> torch.Generator:
    return torch.default_generator if device.index is None else torch.cuda.default_generators[device.index]


@contextmanager
def _drawn_again(generator: torch.Generator, state: Tensor) -> Iterator[None]:
    """Let dropout draw what it drew in the first pass."""
    now = generator.get_state()
    generator.set_state(state)
    try:
        yield
    finally:
        generator.set_state(now)
