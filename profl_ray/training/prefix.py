"""A frozen prefix as a function: what the first units of a sub-model make of its inputs.

While a step trains block t under the policy `eval`, blocks 1..t-1 are a fixed function of the input. It is
computed in chunks of a fixed size and with fixed strides, so that its bits depend on neither where it
begins nor what was kept.
"""

from typing import Protocol, cast

import torch
from torch import nn

from profl_ray.models import Features
from profl_ray.training.batch import join, kept_layout, split

CHUNK = 64
"""Inputs per forward pass of a prefix: part of the definition, since other sizes round otherwise."""


@torch.no_grad()
def run_units(model: nn.Module, features: Features, start: int, stop: int) -> Features:
    """Return what units start..stop-1, in evaluation mode, make of `features`, in chunks of a fixed size."""
    units = model.get_submodule("units")
    made = []
    for chunk in split(features, CHUNK):
        made_of_it = chunk
        for index in range(start, stop):
            made_of_it = kept_layout(made_of_it)
            for layer in units.get_submodule(str(index)).children():
                made_of_it = layer(made_of_it)
        made.append(made_of_it)
    return kept_layout(join(made))


def skip_units(model: nn.Module, num_units: int) -> None:
    """Let a model begin after its first units; its input is their output then."""
    if num_units or hasattr(model, "num_skipped"):
        cast(_Skipping, model).num_skipped = num_units


class _Skipping(Protocol):
    num_skipped: int
