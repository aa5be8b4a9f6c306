"""ProgFed against its paper: stages, rounds, heads; nothing is frozen."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from profl_ray.errors import UserError
from profl_ray.strategies import Step, full_task
from profl_ray.strategies.base import initial_state
from profl_ray.strategies.progfed import ProgFed, stage_rounds

from .play import copied, random_sum, same_state, tiny_experiment, trace


def strategy(*overrides: str) -> ProgFed:
    made = tiny_experiment("strategy.name=progfed", *overrides).make_strategy()
    assert isinstance(made, ProgFed)
    return made


def end_stage(progfed: ProgFed) -> None:
    stage = progfed.stage
    while progfed.stage == stage:
        progfed.advance(progfed.progress())


@pytest.mark.parametrize(
    ("rounds", "num_stages", "expected"),
    [(80, 4, [10, 10, 10, 50]), (25, 2, [6, 19]), (7, 1, [7]), (4, 4, [1, 1, 1, 1]), (9, 3, [1, 1, 7])],
)
def test_rounds_of_the_stages(rounds: int, num_stages: int, expected: list[int]) -> None:
    assert stage_rounds(rounds, num_stages) == expected


@given(num_stages=st.integers(1, 20), more=st.integers(0, 500))
def test_rounds_add_up_and_the_last_stage_has_most(num_stages: int, more: int) -> None:
    rounds = stage_rounds(num_stages + more, num_stages)
    assert sum(rounds) == num_stages + more and len(rounds) == num_stages and min(rounds) >= 1
    assert rounds[-1] == max(rounds) and len(set(rounds[:-1])) <= 1


def test_too_few_rounds_are_a_users_mistake() -> None:
    with pytest.raises(UserError, match=r"^strategy\.rounds=2 is too small: progfed has 3 stages"):
        strategy("strategy.rounds=2")


def test_stages_and_what_they_train() -> None:
    progfed = strategy()
    schedule = progfed.schedule()
    assert [step for step, _ in schedule] == [Step("grow", stage) for stage in (1, 2, 3)]
    for (_, task), (num_units, channels) in zip(schedule, [(1, 4), (3, 16), (4, 16)], strict=True):
        model = task.build()
        assert (len(model.units), model.head.in_features) == (num_units, channels)
        assert all(parameter.requires_grad for parameter in model.parameters())
        assert not task.frozen.names and not model.proxies
    full = full_task(progfed.context.network, progfed.context.config)
    assert schedule[-1][1].memory_key == full.memory_key
    needs = [progfed.context.need(task).mib for _, task in schedule]
    assert needs == sorted(needs)


def test_rounds_as_configured() -> None:
    run = trace("progfed")
    assert [record.block for record in run.records] == [1, 2, 3, 3]
    assert [record.units_grown for record in run.records] == [1, 3, 3, 4]
    ended = [record.end_reason for record in run.records]
    assert ended == ["fixed_rounds", "fixed_rounds", "", "fixed_rounds"]


def test_earlier_blocks_go_on_training() -> None:
    last = trace("progfed").moments[-1]
    for unit in range(4):
        for name in ("0.weight", "1.weight", "1.running_mean"):
            assert not same_state(last.after, last.before, [f"units.{unit}.{name}"])


def test_only_devices_that_can_afford_a_stage_train_in_it() -> None:
    run = trace("progfed")
    quotas_mib = run.experiment.quotas_mib
    for moment, record in zip(run.moments, run.records, strict=True):
        need_mib = run.experiment.estimate(moment.plan.states[0].task).mib
        assert record.trained and all(quotas_mib[device] >= need_mib for device in record.trained)
    assert run.records[-1].eligible_share < run.records[0].eligible_share == 1


def test_blocks_are_carried_on_and_every_stage_has_a_fresh_head() -> None:
    progfed = strategy()
    network_weights = initial_state(progfed.complete_task().model, progfed.context.config.seed)
    assert same_state(
        progfed.weights, network_weights, [n for n in network_weights if n.startswith("units.")]
    )
    heads = [copied(progfed.weights)["head.weight"]]
    while True:
        units = [n for n in progfed.weights if n.startswith("units.")]
        progfed.merge({0: random_sum(progfed.plan().states[0].task.moving, 2, progfed.stage)}, {})
        trained = copied(progfed.weights)
        end_stage(progfed)
        assert same_state(trained, progfed.weights, units)
        if progfed.finished:
            break
        assert not np.array_equal(progfed.weights["head.bias"], trained["head.bias"])
        heads.append(progfed.weights["head.weight"])
    assert [head.shape for head in heads] == [(10, 4), (10, 16), (10, 16)]
    assert not np.array_equal(heads[1], heads[2])
    # The head of the last stage is kept: it is the complete model's.
    assert same_state(progfed.complete_weights(), trained)


def test_blocks_of_later_stages_stay_as_they_were_made() -> None:
    progfed = strategy()
    fresh = copied(progfed.weights)
    progfed.merge({0: random_sum(progfed.plan().states[0].task.moving, 2)}, {})
    later = [name for name in fresh if name.startswith(("units.1.", "units.2.", "units.3."))]
    assert later and same_state(progfed.weights, fresh, later)
    end_stage(progfed)
    packed = progfed.plan().states[0]
    sent = packed.task.moving.unpack(packed.down)
    assert same_state(sent, fresh, [name for name in sent if name.startswith(("units.1.", "units.2."))])


def test_the_evaluated_model_is_the_stages() -> None:
    progfed = strategy()
    for stage in (1, 2, 3):
        state = progfed.evaluation()
        assert state.task.model.num_blocks == stage
        assert np.array_equal(state.task.moving.unpack(state.down)["head.bias"], progfed.weights["head.bias"])
        end_stage(progfed)


def test_one_block_is_full_training() -> None:
    progfed = strategy("model.partition=[4]")
    assert progfed.rounds == [4]
    (_, task), *others = progfed.schedule()
    full = full_task(progfed.context.network, progfed.context.config)
    assert not others and task.memory_key == full.memory_key and task.moving == full.moving
