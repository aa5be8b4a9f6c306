import pytest

from profl_ray.config import load_experiment
from profl_ray.errors import UserError
from profl_ray.strategies import registry
from profl_ray.tuning.comparison import METHODS, comparison


def trials(space):
    config = load_experiment(space.recipe, space.overrides)
    return [space.configure(config, settings) for settings in space.grid()]


def test_every_strategy_is_a_method_and_fedavg_three():
    # Not STRATEGIES itself: another test adds to it.
    names = {strategy.name for strategy in registry._ALL}
    assert {settings["strategy.name"] for settings in METHODS.values()} == names
    assert {"ideal", "allsmall", "exclusive"} < set(METHODS)


def test_every_method_trains_with_every_seed_and_all_else_is_equal():
    configs = trials(comparison("digits_tiny", ["ideal", "profl"], [1, 2], ["training.batch_size=8"]))
    assert [(c.strategy.name, c.seed) for c in configs] == [
        ("fedavg", 1),
        ("fedavg", 2),
        ("profl", 1),
        ("profl", 2),
    ]
    assert {c.training.batch_size for c in configs} == {8}
    assert len({(c.data, c.federation, c.model) for c in configs}) == 1


def test_an_override_may_be_for_one_method_alone():
    configs = trials(comparison("digits_tiny", ["ideal", "exclusive"], [1], ["exclusive:strategy.rounds=3"]))
    assert [(c.strategy.fedavg.variant, c.strategy.rounds) for c in configs] == [
        ("ideal", 25),
        ("exclusive", 3),
    ]


def test_a_colon_in_a_value_is_no_method():
    space = comparison("digits_tiny", ["ideal"], [1], ["tracking.uri=http://127.0.0.1:9"])
    assert space.overrides == ("tracking.uri=http://127.0.0.1:9",)


@pytest.mark.parametrize(
    ("methods", "seeds", "overrides", "message"),
    [
        (["idea"], [1], (), "unknown method 'idea'; did you mean 'ideal'?"),
        (["ideal", "ideal"], [1], (), "--methods 'ideal,ideal': name at least one method, each once"),
        (["ideal"], [1, 1], (), "--seeds '1,1': name at least one seed, each once"),
        (["ideal"], [1], ["profl:seed=1"], "unknown method in front of an override 'profl'"),
        (["ideal"], [1], ["ideal:seed"], "must be dotted.key=value"),
        (["ideal"], [1], ["seed=3"], "seed=3: a comparison takes its seeds from --seeds"),
    ],
)
def test_mistakes_are_named(methods, seeds, overrides, message):
    with pytest.raises(UserError) as told:
        comparison("digits_tiny", methods, seeds, overrides)
    assert message in str(told.value)
