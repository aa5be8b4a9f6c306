"""Recomputed units: the bits of plain backpropagation, for less memory."""

import subprocess
import sys

import pytest
import torch
from torch import nn

from profl_ray.models import Network, SubModelPlan, find_family, initialise
from profl_ray.models.recompute import recompute


def step(unit_of, model: nn.Module, inputs: torch.Tensor) -> dict[str, torch.Tensor]:
    for _ in range(2):
        for parameter in model.parameters():
            parameter.grad = None
        features = inputs
        for unit in model.units.values():
            features = unit_of(unit, features)
        model.head(model.pool(features)).square().mean().backward()
        with torch.no_grad():
            for parameter in model.parameters():
                if parameter.grad is not None:
                    parameter -= 0.1 * parameter.grad
    return {k: v.clone() for k, v in model.state_dict().items() if "num_batches" not in k}


def plain(unit: nn.Module, features: torch.Tensor) -> torch.Tensor:
    for layer in unit.children():
        features = layer(features)
    return features


@pytest.mark.parametrize("frozen", [(), ("units.0.",), ("units.1.",)])
@pytest.mark.parametrize("name", ["cnn", "resnet18", "vgg11_bn"])
def test_weights_and_statistics_are_those_of_plain_backpropagation(name, frozen) -> None:
    network = Network(name, 0.125, (3, 32, 32), 10, find_family(name).stages)
    inputs = torch.randn(8, 3, 32, 32, generator=torch.Generator().manual_seed(1))
    results = []
    for unit_of in (plain, recompute):
        model = SubModelPlan(network, network.num_blocks).build()
        initialise(model, 1)
        for key, parameter in model.named_parameters():
            parameter.requires_grad_(not key.startswith(frozen) if frozen else True)
        results.append(step(unit_of, model.train(), inputs))
    for key, value in results[0].items():
        assert torch.equal(value, results[1][key]), key


class Nested(nn.Sequential):
    """Features are a tensor with a mask, a count and a scale."""

    def __init__(self) -> None:
        super().__init__(Layer(), Layer())


class Layer(nn.Module):
    def __init__(self) -> None:
        super().__init__()
        self.linear = nn.Linear(4, 4)

    def forward(self, features):
        values, mask, scale = features["values"], features["mask"], features["scale"]
        values = torch.tanh(self.linear(values)) * mask[..., None] * scale
        return {"values": values, "mask": mask, "scale": scale}


def test_features_may_be_a_nest() -> None:
    results = []
    for unit_of in (plain, recompute):
        torch.manual_seed(0)
        unit = Nested()
        values = torch.randn(2, 3, 4, requires_grad=True)
        made = unit_of(unit, {"values": values, "mask": torch.tensor([[1, 1, 0], [1, 0, 0]]), "scale": 2.0})
        assert made["scale"] == 2.0 and made["mask"].dtype == torch.int64
        made["values"].sum().backward()
        results.append([values.grad, *(parameter.grad for parameter in unit.parameters())])
    assert all(torch.equal(one, other) for one, other in zip(*results, strict=True))


def test_dropout_draws_alike_in_both_passes() -> None:
    results = []
    for unit_of in (plain, recompute):
        torch.manual_seed(0)
        unit = nn.Sequential(nn.Linear(4, 4), nn.Dropout(0.5), nn.Linear(4, 4))
        values = torch.randn(5, 4)
        unit_of(unit, values).sum().backward()
        results.append([*(parameter.grad for parameter in unit.parameters()), torch.get_rng_state()])
    assert all(torch.equal(one, other) for one, other in zip(*results, strict=True))


def test_without_gradients_it_is_a_plain_pass() -> None:
    unit = nn.Sequential(nn.Linear(4, 4))
    with torch.no_grad():
        assert recompute(unit, torch.ones(2, 4)).grad_fn is None
    unit.requires_grad_(False)
    assert recompute(unit, torch.ones(2, 4)).grad_fn is None


def test_it_does_not_import_the_compiler() -> None:
    program = (
        "import sys, torch\nfrom torch import nn\nfrom profl_ray.models.recompute import recompute\n"
        "recompute(nn.Sequential(nn.Linear(4, 4)), torch.ones(2, 4)).sum().backward()\n"
        "print('torch._dynamo' in sys.modules)\n"
    )
    made = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True)
    assert made.stdout.strip() == "False", made.stdout + made.stderr
