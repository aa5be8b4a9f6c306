"""HeteroFL's narrow networks: plain at rate 1, channels rounded up, the scaler in training only."""

from dataclasses import replace
from math import ceil

import pytest
import torch
from torch import nn

from profl_ray.models import FAMILIES, Network, SubModelPlan, find_family
from profl_ray.models.width import WidthPlan

from .plain import PlainNetwork, images, loaded, on_meta, random_state


def small(name: str, rate: float = 1.0) -> Network:
    return Network(name, 0.1, (3, 32, 32), 10, find_family(name).stages, rate)


def plain_plan(network: Network) -> SubModelPlan:
    return SubModelPlan(network, network.num_blocks)


def shapes(plan: WidthPlan | SubModelPlan) -> dict[str, torch.Size]:
    return {name: value.shape for name, value in on_meta(plan.build).state_dict().items()}


@pytest.mark.parametrize("train", [False, True])
@pytest.mark.parametrize("name", FAMILIES)
def test_at_rate_one_it_is_the_plain_network_bit_for_bit(name: str, train: bool) -> None:
    network = small(name)
    state = random_state(on_meta(lambda: PlainNetwork(network)))
    plain = loaded(lambda: PlainNetwork(network), state).train(train)
    model = loaded(WidthPlan(network).build, state).train(train)
    batch = images(4, 3, 32, 32)
    assert torch.equal(model(batch), plain(batch))
    assert all(torch.equal(a, b) for a, b in zip(model.buffers(), plain.buffers(), strict=True))


@pytest.mark.parametrize("rate", [0.5, 0.3, 0.0625])
@pytest.mark.parametrize("name", FAMILIES)
def test_every_axis_of_channels_is_cut_and_rounded_up(name: str, rate: float) -> None:
    """Images keep their channels and the classifier its classes."""
    full = shapes(plain_plan(small(name)))
    narrow = shapes(WidthPlan(small(name, rate)))
    assert list(narrow) == list(full)
    for key, shape in narrow.items():
        expected = [ceil(rate * size) for size in full[key]]
        if key == "units.0.0.weight":
            expected[1] = 3
        if len(shape) == 4:
            expected[2:] = full[key][2:]
        if key.startswith("head."):
            expected[0] = 10
        assert list(shape) == expected, key


def test_of_few_channels_at_least_one_is_left() -> None:
    narrow = shapes(WidthPlan(Network("cnn", 0.25, (1, 8, 8), 4, (2, 2), 1e-6)))
    assert narrow["units.3.0.weight"] == (1, 1, 3, 3) and narrow["head.weight"] == (4, 1)


@pytest.mark.parametrize("name", ["cnn", "resnet18", "vgg11_bn"])
def test_without_training_nothing_is_scaled(name: str) -> None:
    network = small(name, 0.25)
    state = random_state(on_meta(plain_plan(network).build))
    batch = images(4, 3, 32, 32)
    answers = [loaded(plan.build, state).eval()(batch) for plan in (WidthPlan(network), plain_plan(network))]
    assert torch.equal(*answers)


@pytest.mark.parametrize(("name", "rate"), [("cnn", 0.5), ("resnet18", 0.25), ("vgg11_bn", 0.5)])
def test_in_training_every_convolutions_output_is_divided_by_the_rate(name: str, rate: float) -> None:
    """As if its weights and its bias were: exactly, since these rates are powers of two."""
    network = small(name, rate)
    state = random_state(on_meta(plain_plan(network).build))
    model = loaded(WidthPlan(network).build, state).train()
    of_convolutions = {
        f"{layer_name}.{parameter}"
        for layer_name, layer in model.named_modules()
        if isinstance(layer, nn.Conv2d)
        for parameter, _ in layer.named_parameters()
    }
    divided = {key: value / rate if key in of_convolutions else value for key, value in state.items()}
    reference = loaded(plain_plan(network).build, divided).train()
    batch = images(4, 3, 32, 32)
    assert torch.equal(model(batch), reference(batch))
    assert all(torch.equal(a, b) for a, b in zip(model.buffers(), reference.buffers(), strict=True))


def test_the_scaler_reaches_the_gradient() -> None:
    """Without batch norm's eps, scaling would not change the forward pass: look at one convolution."""
    model = WidthPlan(small("cnn", 0.5)).build().train()
    convolution = model.units["1"][0]
    plain = nn.Conv2d(convolution.in_channels, convolution.out_channels, 3, stride=2, padding=1, bias=False)
    plain.load_state_dict(convolution.state_dict())
    features = images(2, convolution.in_channels, 8, 8)
    for layer in (convolution, plain):
        layer(features).square().sum().backward()
    torch.testing.assert_close(convolution.weight.grad, 4 * plain.weight.grad)


def test_plans_are_values() -> None:
    network = small("cnn", 0.5)
    assert WidthPlan(network) == WidthPlan(replace(network)) != WidthPlan(replace(network, rate=0.25))
    assert hash(WidthPlan(network)) == hash(WidthPlan(replace(network)))
