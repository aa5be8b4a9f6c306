"""Initial weights, drawn from a named stream per tensor: no global generator, any order of construction."""

import math

import torch
from torch import Tensor, nn

from profl_ray.models.family import Family
from profl_ray.randomness import torch_stream

NOT_STATE = "num_batches_tracked"


def state_tensors(module: nn.Module) -> dict[str, Tensor]:
    """Return the parameters and running statistics of `module` by name; counters of batch norm left out."""
    return {name: value for name, value in module.state_dict().items() if not name.endswith(NOT_STATE)}


def materialise(module: nn.Module, device: torch.device) -> nn.Module:
    """Give a module built on the device "meta" memory on `device`; return it, its values undefined.

    `module.to_empty` does the same, and imports a part of the compiler to ask what an empty tensor is like:
    half a second and 30 MiB in every client actor.
    """
    for layer in module.modules():
        for name, parameter in layer.named_parameters(recurse=False):
            empty = torch.empty(parameter.shape, dtype=parameter.dtype, device=device)
            setattr(layer, name, nn.Parameter(empty, parameter.requires_grad))
        for name, buffer in layer.named_buffers(recurse=False):
            setattr(layer, name, torch.empty(buffer.shape, dtype=buffer.dtype, device=device))
    return module


@torch.no_grad()
def initialise(module: nn.Module, seed: int, *stream: str | int, family: Family | None = None) -> None:
    """Set every weight of `module` in place: by its family's rules, else by those that all families share.

    A layer draws from a stream of its own name.
    """
    for name, layer in module.named_modules():
        if not (layer._parameters or layer._buffers):
            continue
        draw = torch_stream(seed, "initialise", *stream, name)
        if family is None or not family.initialise(layer, draw):
            _initialise_layer(layer, draw)


def _initialise_layer(layer: nn.Module, draw: torch.Generator) -> None:
    """Set the layer's own weights.

    Convolutions: Kaiming normal, fan-out (paper's code). FC: uniform within 1 / sqrt(fan-in), torch's
    default. Norms: scale 1, shift 0, running mean 0 and variance 1. Biases of convolutions: 0.
    """
    if isinstance(layer, nn.Conv2d):
        fan_out = layer.out_channels * layer.kernel_size[0] * layer.kernel_size[1] // layer.groups
        layer.weight.normal_(0.0, math.sqrt(2.0 / fan_out), generator=draw)
        if layer.bias is not None:
            layer.bias.zero_()
    elif isinstance(layer, nn.Linear):
        bound = 1.0 / math.sqrt(layer.in_features)
        layer.weight.uniform_(-bound, bound, generator=draw)
        if layer.bias is not None:
            layer.bias.uniform_(-bound, bound, generator=draw)
    elif isinstance(layer, (nn.BatchNorm2d, nn.GroupNorm, nn.LayerNorm)):
        layer.reset_parameters()
    else:
        raise AssertionError(f"no initialisation for {type(layer).__name__}: its family must have a rule")
