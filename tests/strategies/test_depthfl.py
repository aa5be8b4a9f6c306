"""DepthFL against its paper: who trains which prefix, what is merged, what answers."""

import numpy as np
import pytest
import torch

from profl_ray.errors import Unaffordable
from profl_ray.models import SubModelPlan
from profl_ray.models.depth import DepthPlan
from profl_ray.strategies.base import initial_state
from profl_ray.strategies.depthfl import DepthFL
from profl_ray.training import MutualDistillation

from .play import case_experiment, first_choice, random_sum, same_state, tiny_experiment, trace

# The poorest devices afford the first block, the others everything.
BOTH_ENDS = "federation.quotas.fractions=[0.85,1.6]"


def strategy(*overrides: str) -> DepthFL:
    made = tiny_experiment("strategy.name=depthfl", BOTH_ENDS, *overrides).make_strategy()
    assert isinstance(made, DepthFL)
    return made


def needs_mib(depthfl: DepthFL) -> list[float]:
    return [depthfl.context.need(task).mib for task in depthfl.tasks()]


def test_prefixes_deepest_first_and_each_needs_less() -> None:
    depthfl = strategy()
    network = depthfl.context.network
    assert [task.model for task in depthfl.tasks()] == [DepthPlan(network, depth) for depth in (3, 2, 1)]
    needs = needs_mib(depthfl)
    assert needs == sorted(needs, reverse=True) and len(set(needs)) == 3


def test_devices_train_the_deepest_prefix_they_can_afford() -> None:
    depthfl = strategy()
    needs = needs_mib(depthfl)
    quotas_mib = np.array([0.0, needs[2], needs[1] - 1e-6, needs[1], needs[0], np.inf])
    assert first_choice(depthfl, needs, quotas_mib) == [-1, 2, 2, 1, 0, 0]


def test_everything_of_a_prefix_is_trained_and_travels() -> None:
    for task in strategy().tasks():
        assert not task.frozen.names
        assert all(parameter.requires_grad for parameter in task.build().parameters())


def test_mutual_distillation_as_configured() -> None:
    depthfl = strategy("strategy.depthfl.distillation_ramp_up_rounds=40", "training.learning_rate=0.3")
    for task in depthfl.tasks():
        assert isinstance(task.procedure.loss, MutualDistillation)
        assert task.procedure.loss.ramp_up_rounds == 40
        assert task.procedure.optimizer.learning_rate == 0.3


def test_tasks_are_the_same_in_every_round() -> None:
    """They key the workers' resident models: the round's weight of distillation is not in them."""
    run = trace("depthfl")
    tasks = {tuple(state.task for state in moment.plan.states) for moment in run.moments}
    assert len(run.moments) > 1 and len(tasks) == 1
    assert run.server.strategy.evaluation().task == next(iter(tasks))[0]
    assert [moment.plan.step_round for moment in run.moments] == [1, 2, 3, 4]


def test_a_tensor_is_the_mean_over_the_devices_that_hold_it() -> None:
    depthfl = strategy()
    tasks = depthfl.tasks()
    sums = {index: random_sum(tasks[index].moving, 3 + index, seed=index) for index in (1, 2)}
    before = dict(depthfl.weights)
    depthfl.merge(sums, {})
    parts = {index: tasks[index].moving.unpack(addend.total) for index, addend in sums.items()}
    for name in tasks[2].moving.names:
        np.testing.assert_allclose(depthfl.weights[name], (parts[1][name] + parts[2][name]) / 9, rtol=1e-6)
    alone = set(tasks[1].moving.names) - set(tasks[2].moving.names)
    assert {name.split(".")[1] for name in alone if name.startswith("exits.")} == {"2"}
    for name in alone:
        np.testing.assert_allclose(depthfl.weights[name], parts[1][name] / 4, rtol=1e-6)
    unowned = [name for name in before if name not in tasks[1].moving.names]
    assert {name.rpartition(".")[0] for name in unowned} >= {"units.3.0", "head"}
    assert same_state(depthfl.weights, before, unowned)


@pytest.mark.parametrize("depth", [3, 2, 1])
def test_the_deepest_affordable_prefix_is_the_complete_model(depth: int) -> None:
    depthfl = strategy()
    full_mib = tiny_experiment().full_need_mib
    needs = dict(zip((3, 2, 1), needs_mib(depthfl), strict=True))
    low, high = needs[1] / full_mib / 2, needs[depth] / full_mib + 1e-3
    depthfl = strategy(f"federation.quotas.fractions=[{low},{high}]")
    assert [task.model.num_blocks for task in depthfl.tasks()] == list(range(depth, 0, -1))
    assert depthfl.complete_task() == depthfl.tasks()[0]
    fresh = initial_state(depthfl.complete_task().model, depthfl.context.config.seed)
    assert same_state(depthfl.complete_weights(), fresh)


def test_without_a_device_for_the_first_block_it_is_unaffordable() -> None:
    with pytest.raises(Unaffordable, match=r"even the first block alone needs .* and the largest quota is"):
        strategy("federation.quotas.fractions=[0.05,0.1]")


def test_in_a_run_devices_train_each_its_depth() -> None:
    """No device affords the third block here, so the second is the last."""
    run = trace("depthfl")
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
    assert len(needs) == 2 and seen == {0, 1}


def test_initial_units_are_those_of_every_other_method() -> None:
    depthfl = strategy()
    network = depthfl.context.network
    plain = initial_state(SubModelPlan(network, network.num_blocks), depthfl.context.config.seed)
    assert same_state(plain, {name: depthfl.weights[name] for name in plain})


@torch.no_grad()
def test_the_evaluated_model_answers_with_the_mean_of_the_exits() -> None:
    experiment = case_experiment("depthfl")
    state = trace("depthfl").server.strategy.evaluation()
    model = state.task.build().eval()
    state.task.moving.load(model.state_dict(), state.down)
    images = torch.rand(4, *experiment.network.input_shape, generator=torch.Generator().manual_seed(0))
    answer = model(images)
    features, logits = images, []
    for block in range(1, state.task.model.num_blocks + 1):
        for index in experiment.network.units_of(block):
            for layer in model.units[str(index)].children():
                features = layer(features)
        early = block < experiment.network.num_blocks
        logits.append(model.exits[str(block)](features) if early else model.head(features.mean((2, 3))))
    assert len(logits) >= 2
    torch.testing.assert_close(answer, sum(logits) / len(logits))
