"""Mutual distillation: the closed form of its weight, and who learns from whom."""

import math
from dataclasses import replace

import pytest
import torch
from torch import nn
from torch.nn import functional

from profl_ray.models import initialise
from profl_ray.models.depth import DepthPlan
from profl_ray.training import SGD, LocalSGD, LocalTask, MutualDistillation
from profl_ray.training.losses import mutual_divergence, ramp_up

from .kit import NETWORK, train_locally

LOSS = MutualDistillation()
TRAINING = LocalSGD(1, 8, SGD(0.05, 0.9), LOSS)
TASK = LocalTask("train", DepthPlan(NETWORK, 2), TRAINING, ("",), ("",))
LABELS = torch.arange(6) % 4


class Exits(nn.Module):
    """A model whose exits' logits are its parameters."""

    def __init__(self, *logits: torch.Tensor) -> None:
        super().__init__()
        self.logits = nn.ParameterList(nn.Parameter(one.clone()) for one in logits)

    def forward(self, _images: torch.Tensor) -> tuple[torch.Tensor, ...]:
        return tuple(self.logits)


def random_logits(num_exits: int) -> list[torch.Tensor]:
    generator = torch.Generator().manual_seed(0)
    return [torch.randn(6, 4, generator=generator) * 2 for _ in range(num_exits)]


def loss_of(loss: MutualDistillation, *logits: torch.Tensor) -> torch.Tensor:
    return loss(Exits(*logits), torch.empty(6, 1, 8, 8), LABELS)


def test_the_weight_rises_as_in_the_paper() -> None:
    for t, expected in ((0, math.exp(-5)), (75, math.exp(-5 * 0.5625)), (150, math.exp(-1.25)), (300, 1.0)):
        assert ramp_up(t, 300) == pytest.approx(expected, rel=1e-12)
    assert ramp_up(1000, 300) == ramp_up(1, 1) == 1.0
    weights = [ramp_up(t, 20) for t in range(1, 22)]
    assert weights == sorted(weights) and weights[0] < 0.02 and weights[18] < weights[19] == weights[20]


def test_a_round_sets_the_weight_and_nothing_else() -> None:
    begun = LOSS.on_device(LABELS, 150)
    assert begun == replace(LOSS, weight=math.exp(-1.25))
    assert begun.on_device(LABELS, 300) == LOSS
    short = replace(LOSS, ramp_up_rounds=10)
    assert short.on_device(LABELS, 5).weight == pytest.approx(math.exp(-1.25))


def test_the_rounds_weight_reaches_local_training() -> None:
    """What is reported for one batch is the loss with the weight of that round."""
    images = torch.randn(6, 1, 8, 8, generator=torch.Generator().manual_seed(0))
    for step_round in (1, 150, 300):
        model = TASK.build()
        initialise(model, 0)
        exits = model(images)
        expected = sum(functional.cross_entropy(logits, LABELS) for logits in exits)
        expected += ramp_up(step_round, 300) * mutual_divergence(exits)
        assert mutual_divergence(exits) > 1e-3
        initialise(model, 0)
        loss = train_locally(model, TASK, images, LABELS, None, 1, (), step_round)
        assert loss == pytest.approx(expected.item(), rel=1e-5)


def test_the_need_does_not_depend_on_the_ramp() -> None:
    other = replace(TASK, procedure=replace(TRAINING, loss=replace(LOSS, ramp_up_rounds=7)))
    assert other.memory_key == TASK.memory_key
    assert replace(TASK, model=DepthPlan(NETWORK, 1)).memory_key != TASK.memory_key


def test_equal_exits_have_nothing_to_teach() -> None:
    (logits,) = random_logits(1)
    assert mutual_divergence((logits, logits, logits)) == 0
    cross_entropy = functional.cross_entropy(logits, LABELS)
    torch.testing.assert_close(loss_of(LOSS, logits, logits, logits), 3 * cross_entropy)


def test_one_exit_is_supervised_training() -> None:
    (logits,) = random_logits(1)
    assert torch.equal(loss_of(LOSS, logits), functional.cross_entropy(logits, LABELS))


@pytest.mark.parametrize("num_exits", [2, 3, 4])
def test_the_loss_by_hand(num_exits: int) -> None:
    """KL(p_j || p_i) = sum p_j log(p_j / p_i): exit j is the target of exit i."""
    exits = random_logits(num_exits)
    p = [logits.double().softmax(dim=1) for logits in exits]
    expected = torch.zeros((), dtype=torch.float64)
    for i in range(num_exits):
        expected -= p[i][torch.arange(6), LABELS].log().mean()
        for j in set(range(num_exits)) - {i}:
            divergence = (p[j] * (p[j] / p[i]).log()).sum(dim=1).mean()
            expected += 0.25 * divergence / (num_exits - 1)
    loss = loss_of(replace(LOSS, weight=0.25), *exits)
    torch.testing.assert_close(loss.double(), expected, rtol=1e-5, atol=1e-6)


def test_an_exit_is_drawn_towards_the_mean_of_the_others() -> None:
    """The gradient of an exit's logits is p_i - mean of p_j, over the batch: none flows into a teacher."""
    exits = random_logits(3)
    model = Exits(*exits)
    mutual_divergence(model(torch.empty(0))).backward()
    p = [logits.softmax(dim=1) for logits in exits]
    for i, parameter in enumerate(model.logits):
        others = sum(p[j] for j in range(3) if j != i) / 2
        torch.testing.assert_close(parameter.grad, (p[i] - others) / 6)


def test_a_batch_trains_every_exit() -> None:
    model = TASK.build()
    initialise(model, 0)
    images = torch.randn(6, 1, 8, 8, generator=torch.Generator().manual_seed(0))
    before = {name: value.detach().clone() for name, value in model.named_parameters()}
    step = TASK.procedure.begin(model)
    for _ in range(2):
        step(images, LABELS)
    assert all(not torch.equal(value, before[name]) for name, value in model.named_parameters())
