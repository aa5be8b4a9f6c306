"""Sub-models: frozen prefix, active block, output module (paper, sections 3 and 4).

Parameter names are the same in every sub-model of a network: `units.I.*`, `proxies.K.*`, `head.*`. The last
sub-model, all blocks and no proxy, is the plain network.
"""

from dataclasses import dataclass

import torch
from torch import Tensor, nn

from profl_ray.errors import UserError
from profl_ray.models.family import Features
from profl_ray.models.network import Network
from profl_ray.models.recompute import recompute


@dataclass(frozen=True)
class SubModelPlan:
    """Blocks 1..`num_blocks` of a network, proxies for the blocks in `proxies`, pool and FC."""

    network: Network
    num_blocks: int
    proxies: tuple[int, ...] = ()

    def build(self) -> "SubModel":
        """Build the sub-model on torch's current default device; its weights are not set."""
        return SubModel(self)

    @property
    def prefix_limit(self) -> int:
        """Leading units that can be skipped when their output is given: all of the real blocks."""
        return self.network.units_of(self.num_blocks).stop

    def unit_names(self, block: int) -> tuple[str, ...]:
        """Return the name prefixes of the units of `block`."""
        return tuple(f"units.{index}." for index in self.network.units_of(block))


class SubModel(nn.Module):
    """Inputs [N, ...], whatever the family takes -> logits [N, num_classes]."""

    def __init__(self, plan: SubModelPlan) -> None:
        super().__init__()
        network = plan.network
        num_units = network.units_of(plan.num_blocks).stop
        units = network.build_units()[:num_units]
        self.units = nn.ModuleDict({str(index): unit for index, unit in enumerate(units)})
        self.proxies = nn.ModuleDict({str(block): build_proxy(network, block) for block in plan.proxies})
        last_block = max((plan.num_blocks, *plan.proxies))
        self.pool = network.family.pool
        self.head = nn.Linear(network.block_shape(last_block).out_channels, network.num_classes)
        self.num_skipped = 0
        """Leading units that are not run: the input is their output."""
        self.recomputed = range(0)
        """Units that keep their input alone, and go forward again in the backward pass."""

    def forward(self, inputs: Features) -> Tensor:
        """Run the layers as one flat loop, which keeps no input alive longer than it is needed."""
        features = inputs
        for index in range(self.num_skipped, len(self.units)):
            if index in self.recomputed:
                features = recompute(self.units[str(index)], features)
                continue
            for layer in self.units[str(index)].children():
                features = layer(features)
        for proxy in self.proxies.values():
            features = proxy(features)
        logits: Tensor = self.head(self.pool(features))
        return logits


def takes_its_inputs(network: Network) -> bool:
    """Return True; raise UserError unless the network can take its inputs."""
    with torch.device("meta"):
        module = SubModelPlan(network, network.num_blocks).build()
        try:
            module(network.blank(2))
        except (RuntimeError, ValueError, IndexError) as error:
            shape = "x".join(map(str, network.input_shape))
            raise UserError(
                f"inputs of {shape} are too small for {network.name}, or of another kind ({error})"
            ) from error
    return True


def build_proxy(network: Network, block: int) -> nn.Module:
    """Return the proxy of `block`, as its family makes them."""
    return network.family.proxy(network.block_shape(block))


@dataclass(frozen=True)
class DistillationPlan:
    """Map of `block` (paper, section 4): the teacher has the real block, the student its proxy."""

    network: Network
    block: int

    @property
    def prefix_limit(self) -> int:
        """Leading units that can be skipped when their output is given: those that both share."""
        return self.network.units_of(self.block).start

    def build(self) -> "DistillationModel":
        """Build teacher and student on torch's current default device; their weights are not set."""
        return DistillationModel(self)


class DistillationModel(nn.Module):
    """Inputs [N, ...] -> logits of the student and of the teacher, each [N, num_classes].

    Blocks before `block` and the later proxies are shared. The teacher has an FC of its own,
    `teacher_head`, because the student's is trained when `block` is the last.
    """

    def __init__(self, plan: DistillationPlan) -> None:
        super().__init__()
        network, block = plan.network, plan.block
        units = network.build_units()[: network.units_of(block).stop]
        self.units = nn.ModuleDict({str(index): unit for index, unit in enumerate(units)})
        later = range(block, network.num_blocks + 1)
        self.proxies = nn.ModuleDict({str(index): build_proxy(network, index) for index in later})
        num_features = network.block_shape(network.num_blocks).out_channels
        self.pool = network.family.pool
        self.head = nn.Linear(num_features, network.num_classes)
        self.teacher_head = nn.Linear(num_features, network.num_classes)
        self.block = block
        self.first_unit = network.units_of(block).start
        self.num_skipped = 0
        """Leading units that are not run: the input is their output."""

    def forward(self, inputs: Features) -> tuple[Tensor, Tensor]:
        """Run the shared prefix once, then the teacher without gradients, then the student."""
        features = inputs
        with torch.no_grad():
            for index in range(self.num_skipped, self.first_unit):
                for layer in self.units[str(index)].children():
                    features = layer(features)
            teacher = self._teacher(features)
        student = self.proxies[str(self.block)](features)
        for index in range(self.block + 1, self.block + len(self.proxies)):
            student = self.proxies[str(index)](student)
        return self.head(self.pool(student)), teacher

    def _teacher(self, features: Features) -> Tensor:
        # The student needs `features` after the teacher: no layer may work in place on them, and none does,
        # as families promise of every unit's first layer.
        for index in range(self.first_unit, len(self.units)):
            for layer in self.units[str(index)].children():
                features = layer(features)
        for index in range(self.block + 1, self.block + len(self.proxies)):
            features = self.proxies[str(index)](features)
        logits: Tensor = self.teacher_head(self.pool(features))
        return logits
