"""Recomputation: a unit keeps its input alone, and goes forward once more when its gradient is asked for.

T. Chen et al., "Training Deep Nets with Sublinear Memory Cost", arXiv 1604.06174. Weights and running
statistics are those of plain backpropagation, bit for bit.

Not `torch.utils.checkpoint`, which imports PyTorch's compiler where it is first used: 170 MiB and two seconds
in every client actor.
"""

from collections.abc import Iterator, Sequence
from contextlib import contextmanager, nullcontext
from typing import Any

import torch
from torch import Tensor, nn
from torch.utils._pytree import TreeSpec, tree_flatten, tree_unflatten

from profl_ray.models.family import Features


def recompute(unit: nn.Module, features: Features) -> Features:
    """Return what the layers of `unit` make of `features`, without keeping what lies between."""
    leaves, form = tree_flatten(features)
    tensors = [leaf for leaf in leaves if isinstance(leaf, Tensor)]
    parameters = [parameter for parameter in unit.parameters() if parameter.requires_grad]
    if not torch.is_grad_enabled() or not (parameters or any(tensor.requires_grad for tensor in tensors)):
        return _run(unit, features)
    call = _Call(unit, leaves, form)
    made = _Recomputed.apply(call, *tensors, *parameters)
    return tree_unflatten(call.made_of(made), call.made_form)


class _Call:
    """A unit with its features, whose tensors are held by autograd alone."""

    def __init__(self, unit: nn.Module, leaves: list[Any], form: TreeSpec) -> None:
        self.unit = unit
        self.form = form
        self.constants = [None if isinstance(leaf, Tensor) else leaf for leaf in leaves]
        self.is_tensor = [isinstance(leaf, Tensor) for leaf in leaves]
        self.num_tensors = sum(self.is_tensor)
        self.device = next((leaf.device for leaf in leaves if isinstance(leaf, Tensor)), torch.device("cpu"))
        self.made_form: TreeSpec = form

    def run(self, tensors: Sequence[Tensor]) -> tuple[Tensor, ...]:
        """Return the tensors among what the unit makes of its features with these tensors."""
        given = iter(tensors)
        leaves = [next(given) if of else c for of, c in zip(self.is_tensor, self.constants, strict=True)]
        made, self.made_form = tree_flatten(_run(self.unit, tree_unflatten(leaves, self.form)))
        self.made_constants = [None if isinstance(leaf, Tensor) else leaf for leaf in made]
        self.made_tensors = [isinstance(leaf, Tensor) for leaf in made]
        return tuple(leaf for leaf in made if isinstance(leaf, Tensor))

    def made_of(self, tensors: Sequence[Tensor]) -> list[Any]:
        """Return the leaves of what the unit made, these tensors among them."""
        given = iter(tensors)
        pairs = zip(self.made_tensors, self.made_constants, strict=True)
        return [next(given) if is_tensor else constant for is_tensor, constant in pairs]


class _Recomputed(torch.autograd.Function):
    @staticmethod
    def forward(ctx: Any, call: _Call, *tensors: Tensor) -> tuple[Tensor, ...]:
        ctx.call = call
        ctx.draws = _generator(call.device).get_state() if _draws(call.unit) else None
        ctx.save_for_backward(*tensors)
        made = call.run(tensors[: call.num_tensors])
        ctx.mark_non_differentiable(*(tensor for tensor in made if not tensor.is_floating_point()))
        return made

    @staticmethod
    def backward(ctx: Any, *gradients: Tensor) -> tuple[Tensor | None, ...]:
        call, wanted = ctx.call, ctx.needs_input_grad[1:]
        given = [
            tensor.detach().requires_grad_(want) if index < call.num_tensors else tensor
            for index, (tensor, want) in enumerate(zip(ctx.saved_tensors, wanted, strict=True))
        ]
        again = nullcontext() if ctx.draws is None else _drawn_again(call.device, ctx.draws)
        with torch.enable_grad(), statistics_at_rest(call.unit), again:
            made = call.run(given[: call.num_tensors])
        pairs = [(t, g) for t, g in zip(made, gradients, strict=True) if t.requires_grad]
        # Not autograd.grad: PyTorch's counter of operations cannot follow it inside a backward pass. So
        # parameters get their gradients here, and the pass outside has none for them.
        torch.autograd.backward([t for t, _ in pairs], [g for _, g in pairs])
        of_features = [tensor.grad for tensor in given[: call.num_tensors]]
        return (None, *of_features, *[None] * (len(given) - call.num_tensors))


def _run(unit: nn.Module, features: Features) -> Features:
    for layer in unit.children():
        features = layer(features)
    return features


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
def _drawn_again(device: torch.device, state: Tensor) -> Iterator[None]:
    """Let dropout draw what it drew in the first pass."""
    generator = _generator(device)
    now = generator.get_state()
    generator.set_state(state)
    try:
        yield
    finally:
        generator.set_state(now)
