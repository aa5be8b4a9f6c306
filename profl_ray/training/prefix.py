"""A frozen prefix as a function: what the first units of a sub-model make of images.

While a step trains block t under the policy `eval`, blocks 1..t-1 are a fixed function of the image. It is
computed in chunks of a fixed size and with fixed strides, so that its bits depend on neither where it
begins nor what was kept.
"""

from typing import Protocol, cast

import torch
from torch import Tensor, nn

CHUNK = 64
"""Images per forward pass of a prefix: part of the definition, since other sizes round otherwise."""


@torch.no_grad()
def run_units(model: nn.Module, features: Tensor, start: int, stop: int) -> Tensor:
    """Return what units start..stop-1, in evaluation mode, make of `features`, in chunks of a fixed size."""
    units = model.get_submodule("units")
    made = []
    for chunk in features.split(CHUNK):
        made_of_it = chunk
        for index in range(start, stop):
            made_of_it = channels_last(made_of_it)
            for layer in units.get_submodule(str(index)).children():
                made_of_it = layer(made_of_it)
        made.append(made_of_it)
    return channels_last(torch.cat(made))


def channels_last(features: Tensor) -> Tensor:
    """Return features [N, C, H, W] with the strides of channels last.

    Where C, or H and W, are 1, several strides mean the same, and PyTorch chooses kernels by them: what comes
    from a file must look like what comes from a layer.
    """
    features = features.contiguous(memory_format=torch.channels_last)
    _, channels, height, width = features.shape
    strides = (channels * height * width, 1, width * channels, channels)
    return features.as_strided(features.shape, strides, features.storage_offset())


def skip_units(model: nn.Module, num_units: int) -> None:
    """Let a model begin after its first units; its input is their output then."""
    if num_units or hasattr(model, "num_skipped"):
        cast(_Skipping, model).num_skipped = num_units


class _Skipping(Protocol):
    num_skipped: int
