"""DepthFL's prefixes: the plain network inside, nested names, an exit after each block, their mean."""

import pytest
import torch
from torch import nn

from profl_ray.models import FAMILIES, Network, SubModelPlan, find_family
from profl_ray.models.depth import DepthModel, DepthPlan
from profl_ray.strategies.base import initial_state

from .plain import PlainNetwork, images, loaded, on_meta, random_state


def small(name: str, partition: tuple[int, ...] | None = None, size: int = 32, width: float = 0.1) -> Network:
    return Network(name, width, (3, size, size), 10, partition or find_family(name).stages)


def partitions(name: str) -> list[tuple[int, ...]]:
    """Return one block, the named stages and a block for each unit."""
    stages = find_family(name).stages
    return [(sum(stages),), stages, (1,) * sum(stages)]


ALL = [pytest.param(name, p) for name in ("cnn", "resnet18", "vgg11_bn") for p in partitions(name)]


def shapes(plan: DepthPlan | SubModelPlan) -> dict[str, torch.Size]:
    return {name: value.shape for name, value in on_meta(plan.build).state_dict().items()}


def exit_logits(model: DepthModel) -> list[torch.Tensor]:
    """Return a list that the model's exits, then its head, fill with their logits."""
    logits: list[torch.Tensor] = []
    for layer in [*model.exits.values(), *([model.head] if hasattr(model, "head") else [])]:
        layer.register_forward_hook(lambda _module, _inputs, output: logits.append(output))
    return logits


def widths_of(exit_model: nn.Module) -> list[int]:
    return [layer.out_channels for layer in exit_model if getattr(layer, "kernel_size", 0) == (1, 1)]


@pytest.mark.parametrize("train", [False, True])
@pytest.mark.parametrize("name", FAMILIES)
def test_units_and_head_of_the_deepest_are_the_plain_network_bit_for_bit(name: str, train: bool) -> None:
    network = small(name)
    deepest = DepthPlan(network, network.num_blocks)
    state = random_state(on_meta(deepest.build))
    plain = loaded(lambda: PlainNetwork(network), state).train(train)
    model = loaded(deepest.build, state).train(train)
    batch = images(4, 3, 32, 32)
    logits = exit_logits(model)
    model(batch)
    assert torch.equal(logits[-1], plain(batch))
    buffers = dict(model.named_buffers())
    assert all(torch.equal(value, buffers[name]) for name, value in plain.named_buffers())


@pytest.mark.parametrize("name", FAMILIES)
def test_initial_weights_of_units_and_head_are_those_of_the_plain_network(name: str) -> None:
    network = small(name)
    plain = initial_state(SubModelPlan(network, network.num_blocks), 7)
    for num_blocks in range(1, network.num_blocks + 1):
        state = initial_state(DepthPlan(network, num_blocks), 7)
        shared = [key for key in state if not key.startswith("exits.")]
        assert shared and all((state[key] == plain[key]).all() for key in shared)
    assert set(shared) == set(plain)


@pytest.mark.parametrize(("name", "partition"), ALL)
def test_prefixes_are_nested(name: str, partition: tuple[int, ...]) -> None:
    network = small(name, partition)
    whole = shapes(DepthPlan(network, network.num_blocks))
    for block in range(1, network.num_blocks + 1):
        prefix = shapes(DepthPlan(network, block))
        assert prefix.items() <= whole.items()
        modules = {".".join(key.split(".")[:2]) if key[0] in "ue" else "head" for key in prefix}
        units = {f"units.{index}" for index in range(network.units_of(block).stop)}
        exits = {f"exits.{index}" for index in range(1, min(block, network.num_blocks - 1) + 1)}
        assert modules == units | exits | ({"head"} if block == network.num_blocks else set())


@pytest.mark.parametrize(("name", "partition"), ALL)
def test_every_exit_gives_logits_in_training_and_one_answer_otherwise(
    name: str, partition: tuple[int, ...]
) -> None:
    network = small(name, partition)
    batch = torch.empty(3, 3, 32, 32, device="meta")
    for num_blocks in sorted({1, network.num_blocks}):
        model = on_meta(DepthPlan(network, num_blocks).build)
        logits = model.train()(batch)
        assert isinstance(logits, tuple) and [one.shape for one in logits] == [(3, 10)] * num_blocks
        assert model.eval()(batch).shape == (3, 10)


@pytest.mark.parametrize("num_blocks", [1, 2, 4])
@pytest.mark.parametrize("name", ["cnn", "resnet18"])
def test_the_answer_is_the_mean_of_the_exits(name: str, num_blocks: int) -> None:
    partition = (1, 1, 1, 1) if name == "cnn" else None
    plan = DepthPlan(small(name, partition, 8), num_blocks)
    model = loaded(plan.build, random_state(on_meta(plan.build))).eval()
    logits = exit_logits(model)
    answer = model(images(3, 3, 8, 8))
    assert len(logits) == num_blocks
    torch.testing.assert_close(answer, sum(logits) / num_blocks)


def test_an_exit_by_hand() -> None:
    """Per separable layer a 3x3 convolution per channel, stride 2, and a 1x1 one across; then pool and FC."""
    plan = DepthPlan(small("cnn"), 1)
    state = random_state(on_meta(plan.build))
    model = loaded(plan.build, state).eval()
    batch = images(3, 3, 32, 32)
    features = model.units["1"](model.units["0"](batch))
    exit_state = {key.removeprefix("exits.1."): value for key, value in state.items() if key[:2] == "ex"}
    for index, groups in ((0, features.shape[1]), (3, 1)):
        stride, padding = (2, 1) if groups > 1 else (1, 0)
        weight = exit_state[f"{index}.weight"]
        features = nn.functional.conv2d(features, weight, None, stride, padding, groups=groups)
        norm = [exit_state[f"{index + 1}.{key}"] for key in ("running_mean", "running_var", "weight", "bias")]
        features = nn.functional.batch_norm(features, *norm).relu()
    logits = nn.functional.linear(features.mean((2, 3)), exit_state["6.weight"], exit_state["6.bias"])
    torch.testing.assert_close(model(batch), logits, rtol=1e-4, atol=1e-5)


@pytest.mark.parametrize(("name", "size"), [("cnn", 8), ("cnn", 1), ("resnet18", 8), ("resnet18", 1)])
def test_small_images_train(name: str, size: int) -> None:
    """Down to one pixel; channels last and with few channels, as the workers run it."""
    network = small(name, (1,) * sum(find_family(name).stages), size)
    plan = DepthPlan(network, network.num_blocks)
    model = loaded(plan.build, random_state(on_meta(plan.build))).to(memory_format=torch.channels_last)
    sum(logits.square().mean() for logits in model.train()(images(2, 3, size, size))).backward()
    assert all(parameter.grad.isfinite().all() for parameter in model.parameters())


def test_early_exits_leave_the_later_blocks_input_alone() -> None:
    """An exit that worked in place would change what the next block sees."""
    network = small("cnn")
    plan = DepthPlan(network, 2)
    state = random_state(on_meta(plan.build))
    with_exit, without = (loaded(plan.build, state).train() for _ in range(2))
    without.exits["1"] = nn.Identity()
    batch = images(4, 3, 32, 32)
    logits = [exit_logits(model) for model in (with_exit, without)]
    for model in (with_exit, without):
        model(batch)
    assert torch.equal(logits[0][-1], logits[1][-1])


@pytest.mark.parametrize(("width", "last"), [(1.0, (128, 256, 512)), (0.1, (12, 24, 51))])
def test_exits_of_a_resnet_have_a_layer_per_later_stage(width: float, last: tuple[int, ...]) -> None:
    """Three, two, one separable convolutions, up to the last stage's width (authors' code)."""
    exits = on_meta(DepthPlan(small("resnet18", width=width), 4).build).exits
    assert [len(widths_of(exits[block])) for block in "123"] == [3, 2, 1]
    assert widths_of(exits["1"]) == list(last)
    assert [exits[block][-1].in_features for block in "123"] == [last[-1]] * 3


def test_an_exit_after_the_last_halving_has_a_layer_too() -> None:
    exits = on_meta(DepthPlan(small("resnet18", (1,) * 8), 8).build).exits
    assert [len(widths_of(exits[str(block)])) for block in range(1, 8)] == [3, 3, 2, 2, 1, 1, 1]


def test_no_pointwise_convolution_has_a_stride() -> None:
    """Run on narrow networks, oneDNN's fault corrupts the heap (models/strided.py)."""
    for layer in on_meta(DepthPlan(small("cnn"), 2).build).exits.modules():
        if isinstance(layer, nn.Conv2d):
            depthwise = layer.kernel_size == (3, 3) and layer.groups == layer.in_channels
            assert layer.stride == ((2, 2) if depthwise else (1, 1))
