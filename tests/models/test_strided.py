"""The strided 1x1 convolution of narrow networks: the same values, and no fault in a real training step."""

import pytest
import torch
from torch import nn
from torch.nn import functional

from profl_ray.models import Network, SubModelPlan
from profl_ray.models.strided import NUM_SAFE_CHANNELS, StridedConv1x1, conv1x1


@pytest.mark.parametrize("size", [4, 7, 8])
def test_it_gives_what_a_plain_convolution_gives(size: int) -> None:
    layer = StridedConv1x1(5, 9, stride=2)
    images = torch.randn(3, 5, size, size, generator=torch.Generator().manual_seed(1), requires_grad=True)
    ours = layer(images)
    # Contiguous images never reach the faulty kernel.
    plain = functional.conv2d(images, layer.weight, stride=2)
    torch.testing.assert_close(ours, plain)
    one, other = (torch.autograd.grad(out.square().sum(), (images, layer.weight)) for out in (ours, plain))
    for a, b in zip(one, other, strict=True):
        torch.testing.assert_close(a, b)


@pytest.mark.parametrize(
    ("in_channels", "stride", "guarded"),
    [(NUM_SAFE_CHANNELS - 1, 2, True), (NUM_SAFE_CHANNELS, 2, False), (3, 1, False)],
)
def test_only_what_is_faulty_is_replaced(in_channels: int, stride: int, guarded: bool) -> None:
    layer = conv1x1(in_channels, 8, stride)
    assert isinstance(layer, StridedConv1x1) is guarded
    assert (layer.kernel_size, layer.stride, layer.bias) == ((1, 1), (stride, stride), None)


@pytest.mark.parametrize("width", [0.02, 0.05, 0.125])
def test_no_narrow_resnet_has_a_faulty_layer(width: float) -> None:
    """Run on it, oneDNN's fault corrupts the heap, so the layers are looked at instead."""
    network = Network("resnet18", width, (1, 8, 8), 10, (2, 2, 2, 2))
    for layer in SubModelPlan(network, 4).build().modules():
        if type(layer) is nn.Conv2d and layer.kernel_size == (1, 1):
            assert layer.stride == (1, 1) or layer.in_channels >= NUM_SAFE_CHANNELS
