"""Masked cross-entropy: absent classes count as logits of zero, and nothing of them is learnt."""

from dataclasses import replace

import pytest
import torch
from torch import nn
from torch.nn import functional

from profl_ray.models import SubModelPlan, initialise
from profl_ray.training import SGD, CrossEntropy, LocalSGD, LocalTask, MaskedCrossEntropy

from .kit import NETWORK, train_locally

LOSS = MaskedCrossEntropy()
TASK = LocalTask("train", SubModelPlan(NETWORK, 2), LocalSGD(2, 8, SGD(0.05, 0.9), LOSS), ("",), ())


class Logits(nn.Module):
    """A model whose logits are its parameters."""

    def __init__(self, logits: torch.Tensor) -> None:
        super().__init__()
        self.logits = nn.Parameter(logits.clone())

    def forward(self, _images: torch.Tensor) -> torch.Tensor:
        return self.logits


def random_logits(num_examples: int = 6) -> torch.Tensor:
    return torch.randn(num_examples, 4, generator=torch.Generator().manual_seed(0)) * 2


def make_images(num_examples: int) -> torch.Tensor:
    return torch.randn(num_examples, 1, 8, 8, generator=torch.Generator().manual_seed(1))


def test_a_device_begins_with_its_own_classes() -> None:
    begun = LOSS.on_device(torch.tensor([3, 1, 1, 3]), 1)
    assert begun == replace(LOSS, present=(1, 3))
    assert LOSS.present is None
    # The next device's classes are its own, whatever those before it had.
    assert begun.on_device(torch.tensor([0, 2]), 2).present == (0, 2)


def test_the_loss_by_hand() -> None:
    """Absent classes stay in the denominator, with exp(0)."""
    logits, labels = random_logits(), torch.tensor([1, 3, 3, 1, 1, 3])
    expected = torch.zeros((), dtype=torch.float64)
    for row, label in zip(logits.double(), labels, strict=True):
        expected -= (row[label].exp() / (row[1].exp() + row[3].exp() + 2)).log() / 6
    loss = LOSS.on_device(labels, 1)(Logits(logits), torch.empty(6), labels)
    torch.testing.assert_close(loss.double(), expected)
    assert loss != functional.cross_entropy(logits, labels)


def test_classes_of_the_device_count_in_batches_without_them() -> None:
    logits, labels = random_logits(), torch.tensor([1] * 6)
    whole_device = LOSS.on_device(torch.tensor([0, 1]), 1)(Logits(logits), torch.empty(6), labels)
    kept = torch.stack([logits[:, 0], logits[:, 1], torch.zeros(6), torch.zeros(6)], dim=1)
    torch.testing.assert_close(whole_device.detach(), functional.cross_entropy(kept, labels))


def test_absent_classes_get_no_gradient() -> None:
    model, labels = Logits(random_logits()), torch.tensor([1, 3, 3, 1, 1, 3])
    LOSS.on_device(labels, 1)(model, torch.empty(6), labels).backward()
    gradient = model.logits.grad
    assert gradient is not None
    assert (gradient[:, [0, 2]] == 0).all() and (gradient[:, [1, 3]] != 0).all()


@pytest.mark.parametrize("begun", [False, True])
def test_with_every_class_it_is_plain_cross_entropy(begun: bool) -> None:
    logits, labels = random_logits(), torch.tensor([0, 1, 2, 3, 3, 0])
    masked = LOSS.on_device(labels, 1) if begun else LOSS
    loss = masked(Logits(logits), torch.empty(6), labels)
    plain = CrossEntropy()(Logits(logits), torch.empty(6), labels)
    assert torch.equal(loss, plain)


def test_local_training_leaves_the_rows_of_absent_classes_alone() -> None:
    model = TASK.build()
    initialise(model, 0)
    before = {name: value.detach().clone() for name, value in model.named_parameters()}
    labels = torch.tensor([1, 3] * 8)
    loss = train_locally(model, TASK, make_images(16), labels, None, 1, ())
    assert 0 < loss < 2
    weight = model.head.weight.detach()
    for values, old in ((weight, before["head.weight"]), (model.head.bias.detach(), before["head.bias"])):
        assert torch.equal(values[[0, 2]], old[[0, 2]])
        assert not torch.equal(values[1], old[1]) and not torch.equal(values[3], old[3])
    others = [name for name in before if not name.startswith("head.")]
    assert all(not torch.equal(dict(model.named_parameters())[name], before[name]) for name in others)


def test_the_task_is_the_same_for_every_device() -> None:
    """Labels are in no task: one resident model serves all, and its need is that of all classes."""
    train_locally(TASK.build(), TASK, make_images(4), torch.tensor([1, 3, 1, 3]), None, 1, ())
    assert TASK.procedure.loss == LOSS and "present=None" in TASK.memory_key
