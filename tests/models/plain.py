"""Independent compositions, to hold the sub-models against."""

import torch
from torch import Tensor, nn

from profl_ray.models import Network, find_family


class PlainNetwork(nn.Module):
    """The network as a paper draws it: all units in a row, average pool, one FC. Knows no block."""

    def __init__(self, network: Network) -> None:
        super().__init__()
        self.units = nn.Sequential(*find_family(network.name).units(network.input_shape, network.width, 1.0))
        self.pool = nn.AdaptiveAvgPool2d(1)
        self.head = nn.Linear(network.unit_shapes[-1].out_channels, network.num_classes)

    def forward(self, images: Tensor) -> Tensor:
        return self.head(self.pool(self.units(images)).flatten(1))


def random_state(module: nn.Module, seed: int = 0) -> dict[str, Tensor]:
    """Return a state of the module's shapes: weights normal, variances positive; no global generator."""
    generator = torch.Generator().manual_seed(seed)
    state = {}
    for name, tensor in module.state_dict().items():
        if name.endswith("num_batches_tracked"):
            state[name] = torch.zeros((), dtype=torch.int64)
        elif name.endswith("running_var") or (name.endswith("weight") and tensor.dim() == 1):
            state[name] = torch.rand(tensor.shape, generator=generator) + 0.5
        else:
            scale = max(1, tensor[0].numel() if tensor.dim() > 1 else 1) ** -0.5
            state[name] = torch.randn(tensor.shape, generator=generator) * scale
    return state


def on_meta(build):
    """Return what `build` builds, without storage."""
    with torch.device("meta"):
        return build()


def loaded(build, state: dict[str, Tensor]) -> nn.Module:
    """Return the module of `build` with the entries of `state` that it has; every entry must be there."""
    module = on_meta(build)
    module.load_state_dict({name: state[name].clone() for name in module.state_dict()}, assign=True)
    return module


def images(*shape: int, seed: int = 1) -> Tensor:
    return torch.randn(*shape, generator=torch.Generator().manual_seed(seed))
