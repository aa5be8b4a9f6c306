"""Operations of local training, held against sums done by hand."""

from dataclasses import replace
from types import SimpleNamespace

import pytest
import torch

from profl_ray.facts import KeptFacts
from profl_ray.models import Network, SubModelPlan
from profl_ray.strategies.base import initial_state, task_state
from profl_ray.training import SGD, DeviceReport, LocalSGD, LocalTask, flops_per_example, local_flops

# Channels 16, 32, 64, 64 on 8x8 images, strides 1, 2, 1, 2, each 3x3; FC 64 -> 10.
NETWORK = Network("cnn", 1.0, (1, 8, 8), 10, (2, 2))
CONVOLUTIONS = [8 * 8 * 16 * 1 * 9, 4 * 4 * 32 * 16 * 9, 4 * 4 * 64 * 32 * 9, 2 * 2 * 64 * 64 * 9]
FC = 64 * 10
TRAINING = LocalSGD(2, 8, SGD(0.1, 0.9))


def task(*trainable: str) -> LocalTask:
    return LocalTask("grow", SubModelPlan(NETWORK, 2), TRAINING, trainable, ())


def test_full_training_is_three_forward_passes_but_for_the_images_gradient() -> None:
    expected = 2 * (3 * (sum(CONVOLUTIONS) + FC) - CONVOLUTIONS[0])
    assert flops_per_example(task("")) == pytest.approx(expected)


def test_a_frozen_prefix_costs_its_forward_pass_alone() -> None:
    forward = sum(CONVOLUTIONS) + FC
    # Gradients of weights for all that trains, of inputs for all but the first of them.
    backward = 2 * (CONVOLUTIONS[2] + CONVOLUTIONS[3] + FC) - CONVOLUTIONS[2]
    assert flops_per_example(task("units.2.", "units.3.", "head.")) == pytest.approx(2 * (forward + backward))


def test_gradients_of_convolutions_per_channel_count_like_their_forward_passes() -> None:
    def depthwise(images):
        layer = torch.nn.Conv2d(8, 8, 3, padding=1, groups=8, bias=False)
        return layer(images).mean()

    fake = SimpleNamespace(
        batch_size=4,
        carries_tangents=False,
        build=torch.nn.Identity,
        begin=lambda model: lambda: depthwise(torch.zeros(4, 8, 6, 6)).backward(),
    )
    forward = 2 * 6 * 6 * 8 * 9
    # The images need no gradient.
    assert flops_per_example(fake) == pytest.approx(2 * forward)


def test_a_round_counts_images_and_epochs_of_those_who_trained() -> None:
    full = task("")
    state = task_state(full, initial_state(full.model, 1), "")
    trained = DeviceReport(0, 0, num_examples=30, loss=1.0, seconds=0.0)
    failed = replace(trained, device=1, failure="lost")
    assert local_flops([state], [trained, failed], KeptFacts()) == round(2 * 30 * flops_per_example(full))
