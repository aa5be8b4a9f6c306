"""What each unit of a network costs to train: the weights of a partition into blocks of about equal need."""

from torch import Tensor
from torch._subclasses.fake_tensor import FakeTensorMode
from torch.autograd.graph import saved_tensors_hooks
from torch.utils._pytree import tree_map

from profl_ray.models import Network

GRADIENT_AND_MOMENTUM = 2
"""Tensors of the parameter's size that training holds beside it; autograd saves the parameter itself."""


def unit_costs_bytes(network: Network, batch_size: int) -> list[float]:
    """Return, per unit, the bytes of saved activations and of trained parameters with their states."""
    costs = []
    with FakeTensorMode():
        features = network.blank(batch_size)
        for unit in network.build_units():
            saved: dict[int, int] = {}
            kept: list[Tensor] = []  # Keeps storages alive, so that no two of them share an identity.

            def note(tensor: Tensor, saved: dict[int, int] = saved, kept: list[Tensor] = kept) -> Tensor:
                kept.append(tensor)
                storage = tensor.untyped_storage()
                saved[storage._cdata] = storage.nbytes()
                return tensor

            parameters_bytes = sum(p.numel() * p.element_size() for p in unit.parameters())
            with saved_tensors_hooks(note, lambda tensor: tensor):
                features = unit(tree_map(Tensor.detach, features))
            costs.append(float(sum(saved.values()) + GRADIENT_AND_MOMENTUM * parameters_bytes))
    return costs
