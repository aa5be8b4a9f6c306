"""What strategies share: who trains which task, initial weights, packed states, means of updates."""

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from profl_ray.models import SubModelPlan, state_tensors
from profl_ray.strategies import Step, Strategy, full_task
from profl_ray.strategies.base import initial_state, mean_update, task_state
from profl_ray.training import LocalTask, TaskSum

from .play import case_experiment, tiny_config

NEEDS = st.lists(st.floats(0.1, 100), min_size=1, max_size=5)
QUOTAS = st.lists(st.floats(0.05, 120), min_size=1, max_size=12)


@pytest.fixture(scope="module")
def strategy() -> Strategy:
    return case_experiment("profl").make_strategy()


@pytest.fixture(scope="module")
def full() -> LocalTask:
    experiment = case_experiment("profl one block")
    return full_task(experiment.network, experiment.config)


@settings(deadline=None, max_examples=40)
@given(needs=NEEDS, quotas=QUOTAS)
def test_every_device_trains_the_first_task_that_it_can_afford(
    strategy: Strategy, needs: list[float], quotas: list[float]
) -> None:
    affordable = np.array(quotas)[:, None] >= np.array(needs)
    cohort = np.flatnonzero(affordable.any(axis=1))
    choice = strategy.assign(cohort, affordable[cohort])
    assert choice.dtype == np.int64
    for device, index in zip(cohort, choice, strict=True):
        assert index == next(i for i, need in enumerate(needs) if need <= quotas[device])


def test_steps_in_words() -> None:
    assert (str(Step("grow", 3)), str(Step("calibrate"))) == ("grow 3", "calibrate")
    assert Step("grow", 3) == Step("grow", 3) != Step("shrink", 3)


def test_full_training_trains_everything() -> None:
    experiment = case_experiment("profl")
    task = full_task(experiment.network, experiment.config)
    model = task.build()
    assert all(parameter.requires_grad for parameter in model.parameters())
    assert task.frozen.size == 0 and set(task.moving.names) == set(state_tensors(model))
    assert task.procedure.batch_size == experiment.config.training.batch_size
    assert task.procedure.optimizer.learning_rate == tiny_config().training.learning_rate


def test_a_packed_state_gives_back_the_weights() -> None:
    experiment = case_experiment("profl")
    strategy = experiment.make_strategy()
    for _, task in strategy.schedule():
        weights = initial_state(task.model, 5)
        state = task_state(task, weights, "v")
        whole = task.moving.unpack(state.down) | task.frozen.unpack(state.frozen)
        assert whole.keys() == weights.keys()
        assert all(np.array_equal(whole[name], weights[name]) for name in weights)


def test_initial_states_are_arrays_of_their_own() -> None:
    network = case_experiment("profl").network
    plan = SubModelPlan(network, network.num_blocks)
    one, other = initial_state(plan, 1), initial_state(plan, 1)
    one["head.bias"][:] = 9
    assert not (other["head.bias"] == 9).any()
    with torch.device("meta"):
        names = set(state_tensors(plan.build()))
    assert set(one) == names


@settings(deadline=None, max_examples=40)
@given(updates=st.lists(st.tuples(st.integers(1, 500), st.floats(-4, 4, width=32)), min_size=1, max_size=6))
def test_the_mean_is_weighted_by_images(full: LocalTask, updates: list[tuple[int, float]]) -> None:
    task = full
    total = TaskSum(np.zeros(task.moving.size, np.float32), 0)
    for num_examples, value in updates:
        total.add(
            TaskSum(np.full(task.moving.size, np.float32(value) * np.float32(num_examples)), num_examples)
        )
    mean = mean_update(task, total)
    expected = sum(n * value for n, value in updates) / sum(n for n, _ in updates)
    assert mean.keys() == set(task.moving.names)
    for value in mean.values():
        assert value == pytest.approx(expected, rel=1e-4, abs=1e-5)
