"""HeteroFL against its paper: levels, the first channels, masked loss, static batch norm."""

from math import ceil

import numpy as np
import pytest
import torch
from torch import nn

from profl_ray.models import SubModelPlan
from profl_ray.strategies.base import initial_state
from profl_ray.strategies.heterofl import HeteroFL
from profl_ray.training import Calibration, MaskedCrossEntropy, State

from .play import copied, first_choice, new_server, random_sum, same_state, tiny_experiment, trace


def experiment(*overrides: str):
    return tiny_experiment("strategy.name=heterofl", *overrides)


def strategy(*overrides: str) -> HeteroFL:
    made = experiment(*overrides).make_strategy()
    assert isinstance(made, HeteroFL)
    return made


def statistics_of(state: State) -> State:
    return {name: value for name, value in state.items() if "running_" in name}


def channels(heterofl: HeteroFL) -> list[list[int]]:
    """Return for each task the channels of the four units."""
    return [[unit.out_channels for unit in task.model.network.unit_shapes] for task in heterofl.tasks()]


# Levels.


def test_levels_are_shares_of_every_layer_widest_first() -> None:
    heterofl = strategy()
    assert channels(heterofl) == [[4, 8, 16, 16], [2, 4, 8, 8], [1, 2, 4, 4], [1, 1, 2, 2], [1, 1, 1, 1]]
    needs = [heterofl.context.need(task).mib for task in heterofl.tasks()]
    assert needs == sorted(needs, reverse=True)


def test_levels_that_are_no_narrower_are_left_out() -> None:
    assert channels(strategy("model.width=0.0625")) == [[1, 2, 4, 4], [1, 1, 2, 2], [1, 1, 1, 1]]


def test_devices_train_the_widest_level_they_can_afford() -> None:
    heterofl = strategy()
    needs = [heterofl.context.need(task).mib for task in heterofl.tasks()]
    quotas_mib = np.array([0.0, needs[4], needs[3], needs[1] - 1e-6, needs[1], needs[0] - 1e-6, np.inf])
    assert first_choice(heterofl, needs, quotas_mib) == [-1, 4, 3, 2, 1, 1, 0]


def test_in_a_run_devices_train_each_its_level() -> None:
    run = trace("heterofl")
    needs = [run.experiment.estimate(task).mib for _, task in run.server.strategy.schedule()]
    seen = set()
    for moment, record in zip(run.moments, run.records, strict=True):
        num_examples: dict[int, int] = {}
        for device in record.trained:
            quota_mib = run.experiment.quotas_mib[device]
            own = next(index for index, need in enumerate(needs) if need <= quota_mib)
            num_examples[own] = num_examples.get(own, 0) + len(run.experiment.split.indices[device])
        assert {index: addend.weight for index, addend in moment.sums.items()} == num_examples
        seen |= num_examples.keys()
    assert len(seen) == 2 and 0 in seen


# Sub-models.


def sliced(heterofl, task) -> State:
    (state,) = [state for state in heterofl.plan().states if state.task == task]
    return task.down.unpack(state.down) | task.frozen.unpack(state.frozen)


def test_a_narrow_network_has_the_first_channels_and_all_classes() -> None:
    heterofl = strategy()
    for rate, task in zip((1, 1 / 2, 1 / 4, 1 / 8, 1 / 16), heterofl.tasks(), strict=True):
        part = sliced(heterofl, task)
        assert part.keys() == heterofl.weights.keys()
        for name, value in part.items():
            full = heterofl.weights[name]
            sizes = [ceil(rate * size) for size in full.shape]
            if name == "units.0.0.weight":
                sizes[1] = full.shape[1]
            sizes[2:] = full.shape[2:]
            if name.startswith("head."):
                sizes[0] = 10
            assert np.array_equal(value, full[tuple(slice(size) for size in sizes)]), name


def test_the_full_level_is_the_plain_network() -> None:
    heterofl = strategy()
    network = heterofl.context.network
    plain = initial_state(SubModelPlan(network, network.num_blocks), heterofl.context.config.seed)
    assert same_state(heterofl.complete_weights(), plain)
    assert same_state(sliced(heterofl, heterofl.tasks()[0]), plain)


def test_slices_do_not_move_from_round_to_round() -> None:
    heterofl = strategy()
    before = [state.down.tobytes() for state in heterofl.plan().states]
    heterofl.advance(heterofl.progress())
    after = [state.down.tobytes() for state in heterofl.plan().states]
    assert before == after


def test_narrow_devices_change_their_channels_alone() -> None:
    heterofl = strategy()
    task = heterofl.tasks()[2]
    addend, before = random_sum(task.moving, 5), copied(heterofl.weights)
    heterofl.merge({2: addend}, {})
    sent = task.moving.unpack(addend.total)
    for name, value in heterofl.weights.items():
        inside = np.zeros(value.shape, dtype=bool)
        if name in sent:
            inside[tuple(slice(size) for size in sent[name].shape)] = True
            np.testing.assert_allclose(value[inside], sent[name].ravel() / 5, rtol=1e-6)
        assert value[~inside].tobytes() == before[name][~inside].tobytes()


# Local training.


@pytest.mark.parametrize(("configured", "used"), [("null", 1.0), ("0.3", 0.3)])
def test_masked_loss_and_a_bound_on_the_gradient(configured: str, used: float) -> None:
    for task in strategy(f"training.max_gradient_norm={configured}").tasks():
        assert task.procedure.loss == MaskedCrossEntropy()
        assert task.procedure.max_gradient_norm == used


def test_devices_send_parameters_and_no_statistics() -> None:
    for task in strategy().tasks():
        assert set(task.moving.names) == {name for name, _ in task.build().named_parameters()}


# Static batch norm.


def test_the_pass_for_statistics_trains_nothing_and_needs_little() -> None:
    heterofl = strategy()
    (plan,) = heterofl.surveys(step_ended=False)
    (state,) = plan.states
    model = state.task.build()
    assert isinstance(state.task.procedure, Calibration)
    assert not any(parameter.requires_grad for parameter in model.parameters())
    assert state.task.moving.names == tuple(statistics_of(heterofl.weights))
    assert [unit.out_channels for unit in model.units.values()] == [4, 8, 16, 16]
    assert heterofl.context.need(state.task).mib < heterofl.context.need(heterofl.tasks()[0]).mib / 1.5


def test_statistics_are_those_of_the_complete_network_on_the_devices_images() -> None:
    """One batch a device: the mean by images of the devices' batch statistics."""
    everybody = experiment("data.examples_per_device=8", "federation.cohort_size=6")
    server = new_server(everybody)
    record = server.play_round()
    weights = server.strategy.complete_weights()
    assert len(record.trained) == 6
    assert {len(indices) for indices in everybody.split.indices} == {8}
    data, split = everybody.data, everybody.split
    model = SubModelPlan(everybody.network, everybody.network.num_blocks).build().train()
    model.load_state_dict({n: torch.from_numpy(v.copy()) for n, v in weights.items()}, strict=False)
    seen: dict[str, list[torch.Tensor]] = {}
    for device in range(6):
        features = data.inputs.tensor(data.train_inputs[split.indices[device]])
        for index, unit in model.units.items():
            for layer in unit.children():
                if isinstance(layer, nn.BatchNorm2d):
                    seen.setdefault(f"units.{index}.1.running_mean", []).append(features.mean((0, 2, 3)))
                    seen.setdefault(f"units.{index}.1.running_var", []).append(features.var((0, 2, 3)))
                with torch.no_grad():
                    features = layer(features)
    counts = torch.tensor([float(len(split.indices[device])) for device in range(6)])
    assert seen.keys() == statistics_of(weights).keys()
    for name, values in seen.items():
        expected = (torch.stack(values) * counts[:, None]).sum(0) / counts.sum()
        np.testing.assert_allclose(weights[name], expected.numpy(), rtol=1e-3, atol=1e-4)


def test_statistics_are_taken_before_an_evaluation_only() -> None:
    server = new_server(experiment("evaluation.every_rounds=2"))
    fresh = statistics_of(copied(server.strategy.complete_weights()))
    assert server.play_round().test_accuracy is None
    assert same_state(statistics_of(server.strategy.complete_weights()), fresh)
    assert server.play_round().test_accuracy is not None
    taken = statistics_of(server.strategy.complete_weights())
    assert all(not np.array_equal(taken[name], fresh[name]) for name in fresh)


def test_where_no_device_can_take_statistics_the_old_ones_stay() -> None:
    heterofl = strategy()
    before = copied(heterofl.weights)
    (plan,) = heterofl.surveys(step_ended=True)
    heterofl.merge_survey(plan, {}, {})
    assert same_state(heterofl.weights, before)
