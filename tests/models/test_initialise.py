"""Initial weights: from named streams alone, whatever else is built, and of the stated distributions."""

import math

import numpy as np
import pytest
import torch
from torch import nn

from profl_ray.models import FAMILIES, Network, SubModelPlan, find_family, initialise
from profl_ray.strategies.base import initial_state


def plan(
    name: str = "resnet18", partition: tuple[int, ...] | None = None, block: int | None = None
) -> SubModelPlan:
    network = Network(name, 0.25, (3, 32, 32), 10, partition or find_family(name).stages)
    block = block or network.num_blocks
    return SubModelPlan(network, block, tuple(range(block + 1, network.num_blocks + 1)))


def same(one: np.ndarray, other: np.ndarray) -> bool:
    return one.dtype == other.dtype == np.float32 and np.array_equal(one, other)


@pytest.mark.parametrize("name", FAMILIES)
def test_no_global_generator_is_used(name: str) -> None:
    before = torch.get_rng_state()
    first = initial_state(plan(name), 7)
    assert torch.equal(torch.get_rng_state(), before)
    torch.rand(3)  # Another state of the global generator.
    second = initial_state(plan(name), 7)
    torch.set_rng_state(before)
    assert all(same(first[key], second[key]) for key in first)
    assert all(np.isfinite(value).all() for value in first.values())


def test_independent_of_the_partition_and_of_the_depth() -> None:
    reference = initial_state(plan(), 7)
    for other in (plan(partition=(8,)), plan(partition=(1,) * 8), plan(partition=(1, 7))):
        state = initial_state(other, 7)
        assert state.keys() == reference.keys()
        assert all(same(state[key], reference[key]) for key in state)
    prefix = initial_state(plan(block=2), 7)
    shared = {key for key in prefix if not key.startswith("proxies.")}
    assert all(same(prefix[key], reference[key]) for key in shared) and len(shared) > 10


def test_seed_stream_and_name_each_change_the_draw() -> None:
    reference = initial_state(plan(), 7)
    for other in (initial_state(plan(), 8), initial_state(plan(), 7, "output", 1)):
        assert not np.array_equal(other["units.0.0.weight"], reference["units.0.0.weight"])
    twins = ("units.1.0.conv1.weight", "units.1.0.conv2.weight")
    assert reference[twins[0]].shape == reference[twins[1]].shape
    assert not np.array_equal(reference[twins[0]], reference[twins[1]])


def test_distributions() -> None:
    state = initial_state(plan("vgg11_bn"), 3)
    weight = state["units.7.0.weight"]  # 128 -> 128 channels, 3x3
    assert weight.size > 100_000
    assert weight.std() == pytest.approx(math.sqrt(2 / (weight.shape[0] * 9)), rel=0.02)
    assert abs(weight.mean()) < 1e-3
    assert not state["units.7.0.bias"].any()
    bound = 1 / math.sqrt(state["head.weight"].shape[1])
    assert 0.9 * bound < np.abs(state["head.weight"]).max() <= bound
    assert 0 < np.abs(state["head.bias"]).max() <= bound
    for key, value in (("weight", 1), ("bias", 0), ("running_mean", 0), ("running_var", 1)):
        assert (state[f"units.7.1.{key}"] == value).all()


def test_fan_out_counts_groups() -> None:
    module = nn.Sequential(nn.Conv2d(64, 256, 3, groups=4, bias=False))
    initialise(module, 0)
    assert float(module[0].weight.detach().std()) == pytest.approx(math.sqrt(2 / (64 * 9)), rel=0.02)


def test_a_layer_without_a_rule_is_refused() -> None:
    with pytest.raises(AssertionError, match="Embedding"):
        initialise(nn.Sequential(nn.Embedding(3, 4)), 0)
