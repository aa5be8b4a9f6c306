"""Sub-models: prefix, proxies and FC; step T is the plain network; teacher and student share the prefix."""

from itertools import accumulate

import pytest
import torch
from torch import nn

from profl_ray.models import (
    FAMILIES,
    DistillationPlan,
    Network,
    SubModelPlan,
    build_proxy,
    find_family,
    state_tensors,
)

from .plain import PlainNetwork, images, loaded, on_meta, random_state


def small(name: str, partition: tuple[int, ...] | None = None) -> Network:
    return Network(name, 0.1, (3, 32, 32), 10, partition or find_family(name).stages)


def step_plan(network: Network, block: int) -> SubModelPlan:
    return SubModelPlan(network, block, tuple(range(block + 1, network.num_blocks + 1)))


def all_plans(network: Network) -> list[SubModelPlan | DistillationPlan]:
    blocks = range(1, network.num_blocks + 1)
    return [step_plan(network, b) for b in blocks] + [DistillationPlan(network, b) for b in blocks]


def all_weights(network: Network) -> dict[str, torch.Tensor]:
    """Return one state with every unit, every proxy and both FCs."""
    state: dict[str, torch.Tensor] = {}
    for seed, plan in enumerate(all_plans(network)):
        state = random_state(on_meta(plan.build), seed) | state
    return state


@pytest.mark.parametrize("train", [False, True])
@pytest.mark.parametrize("name", FAMILIES)
def test_last_step_is_the_plain_network_bit_for_bit(name: str, train: bool) -> None:
    network = small(name)
    state = random_state(on_meta(lambda: PlainNetwork(network)))
    plain = loaded(lambda: PlainNetwork(network), state).train(train)
    last = loaded(step_plan(network, network.num_blocks).build, state).train(train)
    batch = images(4, 3, 32, 32)
    assert torch.equal(last(batch), plain(batch))
    assert all(torch.equal(a, b) for a, b in zip(last.buffers(), plain.buffers(), strict=True))


@pytest.mark.parametrize("partition", [(8,), (1,) * 8, (3, 1, 4)])
def test_the_partition_does_not_change_the_plain_network(partition: tuple[int, ...]) -> None:
    network, by_stages = small("resnet18", partition), small("resnet18")
    state = random_state(on_meta(step_plan(by_stages, 4).build))
    batch = images(2, 3, 32, 32)
    logits = [loaded(step_plan(n, n.num_blocks).build, state).eval()(batch) for n in (network, by_stages)]
    assert torch.equal(*logits)


@pytest.mark.parametrize("name", FAMILIES)
def test_every_step_has_the_same_fc_and_the_same_names(name: str) -> None:
    network = small(name)
    plain = {
        k: v.shape for k, v in on_meta(step_plan(network, network.num_blocks).build).state_dict().items()
    }
    proxies: dict[str, torch.Size] = {}
    for plan in all_plans(network):
        shapes = {k: v.shape for k, v in on_meta(plan.build).state_dict().items()}
        assert shapes["head.weight"] == plain["head.weight"] == (10, network.unit_shapes[-1].out_channels)
        for key, shape in shapes.items():
            if key.startswith("proxies."):
                assert proxies.setdefault(key, shape) == shape
            else:
                assert plain[key.removeprefix("teacher_")] == shape
    assert set(proxies) == {f"proxies.{block}.weight" for block in range(1, network.num_blocks + 1)}


@pytest.mark.parametrize("name", FAMILIES)
def test_a_proxy_stands_for_its_block(name: str) -> None:
    """Same channels and same stride: any block may be replaced and the rest does not notice."""
    network = small(name)
    units = on_meta(network.build_units)
    features = torch.empty(2, *network.input_shape, device="meta")
    for block in range(1, network.num_blocks + 1):
        proxy = on_meta(lambda block=block: build_proxy(network, block))
        assert isinstance(proxy, nn.Conv2d) and proxy.bias is None
        assert (proxy.kernel_size, proxy.padding, proxy.groups) == ((3, 3), (1, 1), 1)
        stride = network.block_shape(block).stride
        assert proxy.stride == (stride, stride)
        stood_for = features
        for index in network.units_of(block):
            stood_for = units[index](stood_for)
        assert proxy(features).shape == stood_for.shape
        features = stood_for


def test_composition_of_a_middle_step() -> None:
    """Blocks 1..t, then the proxies in order, with nothing between them, then pool and FC."""
    network = small("cnn", (1, 1, 1, 1))
    state = all_weights(network)
    model = loaded(step_plan(network, 2).build, state).eval()
    batch = images(3, 3, 32, 32)
    features = nn.Sequential(model.units["0"], model.units["1"])(batch)
    for block, stride in ((3, 1), (4, 2)):
        features = nn.functional.conv2d(features, state[f"proxies.{block}.weight"], stride=stride, padding=1)
    logits = nn.functional.linear(features.mean((2, 3)), state["head.weight"], state["head.bias"])
    torch.testing.assert_close(model(batch), logits, rtol=1e-5, atol=1e-6)


def test_without_proxies_the_fc_has_the_blocks_own_channels() -> None:
    network = small("resnet18")
    widths = [on_meta(SubModelPlan(network, block).build).head.in_features for block in (1, 2, 3, 4)]
    assert widths == [6, 13, 26, 51]
    assert not on_meta(SubModelPlan(network, 2).build).proxies


def test_prefixes_of_a_block_name_its_units_and_no_others() -> None:
    network = Network("resnet34", 0.1, (3, 32, 32), 10, (2, 9, 5))
    assert step_plan(network, 3).unit_names(1) == ("units.0.", "units.1.")
    names = list(on_meta(step_plan(network, 3).build).state_dict())
    for block in (1, 2, 3):
        chosen = {
            int(n.split(".")[1]) for n in names if n.startswith(step_plan(network, 3).unit_names(block))
        }
        assert chosen == set(network.units_of(block))


def test_state_leaves_out_the_counters_of_batch_norm() -> None:
    module = on_meta(step_plan(small("cnn"), 2).build)
    names = set(state_tensors(module))
    assert {n for n in module.state_dict() if n not in names} == {
        f"units.{i}.1.num_batches_tracked" for i in range(4)
    }


@pytest.mark.parametrize("train", [False, True])
@pytest.mark.parametrize("block", [2, 3, 4])
@pytest.mark.parametrize("name", ["cnn", "resnet18"])
def test_teacher_and_student_are_the_sub_models(name: str, block: int, train: bool) -> None:
    """The teacher is the model of the shrinking step, the student the same with a proxy for the block."""
    network = small(name, (1, 1, 1, 1) if name == "cnn" else None)
    state = all_weights(network)
    batch = images(4, 3, 32, 32)
    student, teacher = loaded(DistillationPlan(network, block).build, state).train(train)(batch)
    with_proxy = loaded(step_plan(network, block - 1).build, state).train(train)
    assert torch.equal(student, with_proxy(batch))
    own_head = state | {f"head.{k}": state[f"teacher_head.{k}"] for k in ("weight", "bias")}
    assert torch.equal(teacher, loaded(step_plan(network, block).build, own_head).train(train)(batch))


def test_no_gradient_reaches_teacher_or_prefix() -> None:
    network = small("resnet18")
    model = loaded(DistillationPlan(network, 3).build, all_weights(network))
    student, teacher = model(images(4, 3, 32, 32))
    assert not teacher.requires_grad
    student.square().sum().backward()
    reached = {name for name, parameter in model.named_parameters() if parameter.grad is not None}
    assert reached == {"proxies.3.weight", "proxies.4.weight", "head.weight", "head.bias"}


def test_the_teacher_leaves_the_shared_features_alone() -> None:
    """Otherwise the student would see what the teacher's in-place layers made of them."""
    network = small("resnet18")
    model = loaded(DistillationPlan(network, 2).build, all_weights(network)).eval()
    seen = []
    model.proxies["2"].register_forward_pre_hook(lambda _, inputs: seen.append(inputs[0].clone()))
    batch = images(2, 3, 32, 32)
    model(batch)
    features = batch
    with torch.no_grad():
        for index in (0, 1):
            features = model.units[str(index)](features)
    assert torch.equal(seen[0], features)


def test_total_stride_reaches_the_pool() -> None:
    """A step's features have the size of the plain network's: pooling always averages as much."""
    network = small("vgg11_bn", (2, 2, 2, 2))
    strides = list(accumulate((network.block_shape(b).stride for b in (1, 2, 3, 4)), lambda a, b: a * b))
    assert strides == [4, 8, 16, 32]
    for block in (1, 2, 3, 4):
        model = on_meta(step_plan(network, block).build)
        last = list(model.proxies.values())[-1] if model.proxies else list(model.units["7"].children())[-1]
        sizes = []
        last.register_forward_hook(lambda _, __, output, sizes=sizes: sizes.append(output.shape[2:]))
        model(torch.empty(2, 3, 32, 32, device="meta"))
        assert sizes == [(1, 1)]
