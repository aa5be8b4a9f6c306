"""Every family's chain of units, and the plain networks against torchvision's own."""

from itertools import accumulate, pairwise

import pytest
import torch
import torchvision.models
from torch import nn

from profl_ray.models import FAMILIES, Network, SubModelPlan, find_family

from .plain import images, on_meta, random_state

WIDTHS = (1.0, 0.25, 0.001)

# (out_channels at width 1, stride) of every unit.
CNN = [(16, 1), (32, 2), (64, 1), (64, 2)]
RESNET18 = [(64, 1)] * 2 + [(128, 2), (128, 1), (256, 2), (256, 1), (512, 2), (512, 1)]
RESNET34 = (
    [(64, 1)] * 3 + [(128, 2)] + [(128, 1)] * 3 + [(256, 2)] + [(256, 1)] * 5 + [(512, 2)] + [(512, 1)] * 2
)
VGG11 = [(64, 2), (128, 2), (256, 1), (256, 2), (512, 1), (512, 2), (512, 1), (512, 2)]
VGG16 = [
    (64, 1),
    (64, 2),
    (128, 1),
    (128, 2),
    *[(256, 1), (256, 1), (256, 2)],
    *[(512, 1), (512, 1), (512, 2)] * 2,
]
CHAINS = {"cnn": CNN, "resnet18": RESNET18, "resnet34": RESNET34, "vgg11_bn": VGG11, "vgg16_bn": VGG16}
STAGES = {
    "cnn": (2, 2),
    "resnet18": (2, 2, 2, 2),
    "resnet34": (3, 4, 6, 3),
    "vgg11_bn": (4, 4),
    "vgg16_bn": (4, 3, 6),
}


def network(name: str, width: float, size: int = 32) -> Network:
    return Network(name, width, (3, size, size), 10, find_family(name).stages)


def test_every_family_has_its_chain_here() -> None:
    assert set(CHAINS) == set(FAMILIES) == set(STAGES)


@pytest.mark.parametrize("name", FAMILIES)
def test_stages_are_those_of_the_method(name: str) -> None:
    assert find_family(name).stages == STAGES[name]
    assert sum(STAGES[name]) == len(CHAINS[name])


@pytest.mark.parametrize("width", WIDTHS)
@pytest.mark.parametrize("name", FAMILIES)
def test_units_chain(name: str, width: float) -> None:
    shapes = network(name, width).unit_shapes
    assert [shape.stride for shape in shapes] == [stride for _, stride in CHAINS[name]]
    assert [shape.out_channels for shape in shapes] == [max(1, round(c * width)) for c, _ in CHAINS[name]]
    assert shapes[0].in_channels == 3
    assert all(before.out_channels == after.in_channels for before, after in pairwise(shapes))


@pytest.mark.parametrize("width", WIDTHS)
@pytest.mark.parametrize("name", FAMILIES)
def test_units_do_what_they_declare(name: str, width: float) -> None:
    """Channels and sizes of the real outputs are the declared ones: the proxies rely on them."""
    plan = network(name, width)
    units = on_meta(plan.build_units)
    strides = accumulate((shape.stride for shape in plan.unit_shapes), lambda a, b: a * b)
    features = torch.empty(2, *plan.input_shape, device="meta")
    for unit, shape, stride in zip(units, plan.unit_shapes, strides, strict=True):
        features = unit(features)
        assert features.shape == (2, shape.out_channels, 32 // stride, 32 // stride)


@pytest.mark.parametrize("name", FAMILIES)
def test_every_unit_begins_with_a_convolution(name: str) -> None:
    """Distillation and cuts rely on it: the first layer of a unit leaves its input as it is."""
    for unit in on_meta(network(name, 0.1).build_units):
        assert isinstance(next(layer for layer in unit.modules() if not list(layer.children())), nn.Conv2d)


@pytest.mark.parametrize("name", ["resnet18", "resnet34"])
@pytest.mark.parametrize("train", [False, True])
def test_resnet_is_torchvisions_with_a_small_stem(name: str, train: bool) -> None:
    def reference() -> nn.Module:
        module = getattr(torchvision.models, name)(num_classes=10)
        module.conv1 = nn.Conv2d(3, 64, 3, stride=1, padding=1, bias=False)
        module.maxpool = nn.Identity()
        return module

    _same_logits(name, reference, train)


@pytest.mark.parametrize("name", ["vgg11_bn", "vgg16_bn"])
@pytest.mark.parametrize("train", [False, True])
def test_vgg_is_torchvisions_features_with_one_fc(name: str, train: bool) -> None:
    def reference() -> nn.Module:
        features = getattr(torchvision.models, name)().features
        return nn.Sequential(features, nn.AdaptiveAvgPool2d(1), nn.Flatten(), nn.Linear(512, 10))

    _same_logits(name, reference, train)


def _same_logits(name: str, reference, train: bool) -> None:
    """Load both with the same tensors, in the order of the layers, and compare logits."""
    plan = network(name, 1.0)
    ours, theirs = on_meta(SubModelPlan(plan, plan.num_blocks).build), on_meta(reference)
    state = random_state(theirs)
    theirs.load_state_dict(state, assign=True)
    ours.load_state_dict(dict(zip(ours.state_dict(), state.values(), strict=True)), assign=True)
    batch = images(2, 3, 32, 32)
    with torch.no_grad():
        if not train:
            ours.eval()
            theirs.eval()
        logits, expected = ours(batch), theirs(batch)
    assert torch.isfinite(expected).all() and expected.std() > 0
    torch.testing.assert_close(logits, expected, rtol=1e-4, atol=1e-5 * float(expected.abs().max()))
