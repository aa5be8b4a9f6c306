"""Adam of devices is torch's, bit for bit."""

import pytest
import torch
from torch import nn

from profl_ray.memory import NeedEstimator
from profl_ray.training import SGD, Adam, LocalSGD, LocalTask

from .kit import TASK, make_order, make_state, make_worker


def model() -> nn.Module:
    torch.manual_seed(0)
    return nn.Sequential(nn.Linear(7, 5), nn.Linear(5, 3))


@pytest.mark.parametrize(("decoupled", "theirs"), [(True, torch.optim.AdamW), (False, torch.optim.Adam)])
def test_the_numbers_are_torchs(decoupled, theirs) -> None:
    ours, reference = model(), model()
    optimizer = Adam(0.01, 0.1, decoupled).of(ours)
    expected = theirs(reference.parameters(), lr=0.01, weight_decay=0.1, fused=True)
    for number in range(5):
        inputs = torch.randn(4, 7, generator=torch.Generator().manual_seed(number))
        for each, stepper in ((ours, optimizer), (reference, expected)):
            stepper.zero_grad()
            each(inputs).square().mean().backward()
            stepper.step()
    assert all(torch.equal(*pair) for pair in zip(ours.parameters(), reference.parameters(), strict=True))


def test_a_parameter_without_a_gradient_stays() -> None:
    ours = model()
    before = ours[1].weight.clone()
    optimizer = Adam(0.01).of(ours)
    ours[0](torch.ones(1, 7)).sum().backward()
    optimizer.step()
    assert torch.equal(ours[1].weight, before)


def test_it_holds_two_moments_where_sgd_holds_one() -> None:
    needs = {
        optimizer: NeedEstimator()(LocalTask("t", TASK.model, LocalSGD(1, 8, optimizer), ("",), ("",)))
        for optimizer in (SGD(0.1, 0.9), Adam(0.1))
    }
    sgd, adam = needs.values()
    assert sgd.parameters_bytes == adam.parameters_bytes
    assert 1.9 * sgd.optimizer_bytes < adam.optimizer_bytes < 2.2 * sgd.optimizer_bytes


def test_devices_train_with_it() -> None:
    from dataclasses import replace

    state = make_state(replace(TASK, procedure=LocalSGD(2, 8, Adam(0.01, 0.01))))
    results = [make_worker().train(make_order(0, 1), [state]) for _ in range(2)]
    assert results[0].sums[0].total.tobytes() == results[1].sums[0].total.tobytes()
    assert all(report.loss for report in results[0].reports)
