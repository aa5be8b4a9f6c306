"""The lean optimizer against torch's: the same numbers, bit for bit."""

import subprocess
import sys

import pytest
import torch

from profl_ray.training.sgd import LeanSGD


def weights_after(make_optimizer, steps=5):
    generator = torch.Generator().manual_seed(3)
    weights = [
        torch.nn.Parameter(torch.randn(shape, generator=generator))
        for shape in [(7, 3, 5, 5), (501,), (3, 17), (4,)]
    ]
    weights[0].data = weights[0].data.contiguous(memory_format=torch.channels_last)
    optimizer = make_optimizer(weights)
    for _ in range(steps):
        optimizer.zero_grad()
        for weight in weights[:3]:  # The last never gets a gradient.
            weight.grad = torch.randn(weight.shape, generator=generator).to(weight.dtype)
        optimizer.step()
    return [weight.detach() for weight in weights]


@pytest.mark.parametrize("momentum", [0.0, 0.9])
@pytest.mark.parametrize("weight_decay", [0.0, 5e-4])
def test_equals_torchs_fused_sgd(momentum, weight_decay):
    expected = weights_after(
        lambda weights: torch.optim.SGD(
            weights, lr=0.05, momentum=momentum, weight_decay=weight_decay, fused=True
        )
    )
    reached = weights_after(lambda weights: LeanSGD(weights, 0.05, momentum, weight_decay))
    assert all(torch.equal(*pair) for pair in zip(expected, reached, strict=True))


def test_a_parameter_without_a_gradient_stays():
    before, after = (weights_after(lambda w: LeanSGD(w, 0.05, 0.9, 5e-4), steps)[3] for steps in (0, 5))
    assert torch.equal(before, after)


def test_does_not_import_the_compiler():
    code = (
        "import sys, torch; from profl_ray.training.sgd import LeanSGD\n"
        "weight = torch.zeros(3, requires_grad=True)\n"
        "optimizer = LeanSGD([weight], 0.1, 0.9, 0.0)\n"
        "weight.sum().backward(); optimizer.step(); optimizer.zero_grad()\n"
        "assert 'torch._dynamo' not in sys.modules"
    )
    subprocess.run([sys.executable, "-c", code], check=True)
