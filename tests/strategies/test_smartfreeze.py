"""SmartFreeze: the growing stage alone, proxies carried on, block perturbation as the pace."""

import pytest
from freezing.reference import effective_movement

from profl_ray.freezing import BlockPerturbationRule, FreezeRule
from profl_ray.freezing.rules import EffectiveMovementRule, FixedRoundsRule
from profl_ray.strategies.profl import ProFL
from profl_ray.strategies.smartfreeze import SmartFreeze

from .play import copied, new_server, random_sum, same_state, tiny_experiment, trace


def strategy(*overrides: str) -> SmartFreeze:
    made = tiny_experiment("strategy.name=smartfreeze", *overrides).make_strategy()
    assert isinstance(made, SmartFreeze)
    return made


def test_it_only_grows() -> None:
    assert [str(step) for step, _ in strategy().schedule()] == ["grow 1", "grow 2", "grow 3"]


def test_convolutions_stand_for_the_later_blocks() -> None:
    plans = [task.model for _, task in strategy().schedule()]
    assert [(plan.num_blocks, plan.proxies) for plan in plans] == [(1, (2, 3)), (2, (3,)), (3, ())]


def test_a_step_trains_its_block_and_the_output_module() -> None:
    trained = [
        {".".join(name.split(".")[:2]) for name, p in task.build().named_parameters() if p.requires_grad}
        for _, task in strategy().schedule()
    ]
    head = {"head.weight", "head.bias"}
    assert trained == [
        {"units.0", "proxies.2", "proxies.3"} | head,
        {"units.1", "units.2", "proxies.3"} | head,
        {"units.3"} | head,
    ]


def test_growing_steps_are_those_of_profl_without_shrinking() -> None:
    profl = tiny_experiment("strategy.profl.shrinking=false").make_strategy()
    assert isinstance(profl, ProFL)
    assert strategy().schedule() == profl.schedule()
    assert same_state(strategy().weights, profl.weights)


def test_other_options_of_profl_have_no_effect() -> None:
    odd = strategy(
        "strategy.profl.output_module=head",
        "strategy.profl.initialisation=corresponding",
        "strategy.profl.shrinking=true",
        "strategy.profl.map_rounds=7",
    )
    assert odd.schedule() == strategy().schedule() and odd.options == strategy().options
    assert same_state(odd.weights, strategy().weights)


def test_batch_norm_of_frozen_blocks_as_configured() -> None:
    fixed = [task.fixed_statistics for _, task in strategy("strategy.profl.frozen_bn=eval").schedule()]
    assert fixed == [(), ("units.0.",), ("units.0.", "units.1.", "units.2.")]
    assert [task.fixed_statistics for _, task in strategy().schedule()] == [(), (), ()]


def test_output_modules_are_carried_from_step_to_step() -> None:
    smartfreeze = strategy()
    for _ in range(2):
        task = smartfreeze.plan().states[0].task
        smartfreeze.merge({0: random_sum(task.moving, 2, smartfreeze.step_index)}, {})
        trained = copied(smartfreeze.weights)
        index = smartfreeze.step_index
        while smartfreeze.step_index == index:
            smartfreeze.advance(smartfreeze.progress())
        assert same_state(smartfreeze.weights, trained)


@pytest.mark.parametrize(
    ("name", "rule"),
    [
        ("effective_movement", BlockPerturbationRule),
        ("block_perturbation", BlockPerturbationRule),
        ("fixed_rounds", FixedRoundsRule),
    ],
)
def test_pace(name: str, rule: type[FreezeRule]) -> None:
    smartfreeze = strategy(f"freezing.name={name}", "freezing.phi=0.7")
    assert type(smartfreeze.pace.rule) is rule
    assert smartfreeze.freezing.phi == 0.7
    # What was asked for stays on record, and ProFL goes by it.
    assert smartfreeze.context.config.freezing.name == name
    if name == "effective_movement":
        profl = tiny_experiment(f"freezing.name={name}").make_strategy()
        assert isinstance(profl, ProFL) and type(profl.pace.rule) is EffectiveMovementRule


def test_progress_is_the_active_blocks_perturbation() -> None:
    """A ratio of Euclidean lengths over the block's parameters after each round, not of sums."""
    experiment = tiny_experiment(
        "strategy.name=smartfreeze",
        "freezing.name=effective_movement",
        "freezing.window_rounds=2",
        "freezing.max_rounds=5",
    )
    server = new_server(experiment)
    smartfreeze = server.strategy
    assert isinstance(smartfreeze, SmartFreeze)
    assert {name.split(".")[1] for name in smartfreeze.pace.names} == {"0"}
    records = [server.play_round() for _ in range(4)]
    places = smartfreeze.pace.snapshots
    assert len(places) == 5
    for done, record in enumerate(records, start=1):
        assert record.figures.get("effective_movement") == effective_movement(places[: done + 1], 2, order=2)
    assert (
        records[0].figures.get("effective_movement") is None
        and 0 < records[3].figures.get("effective_movement") < 1
    )
    assert records[3].figures.get("effective_movement") != pytest.approx(
        effective_movement(places, 2), rel=1e-3
    )


def test_a_run_grows_and_ends_its_steps_by_fixed_rounds() -> None:
    records = trace("smartfreeze").records
    assert [record.stage for record in records] == ["grow"] * 6
    assert [record.block for record in records] == [1, 1, 2, 2, 3, 3]
    assert [record.end_reason for record in records if record.step_ended] == ["fixed_rounds"] * 3
