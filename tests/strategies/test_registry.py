"""The registry of strategies."""

from dataclasses import replace

import pytest

from profl_ray.errors import UserError
from profl_ray.strategies import STRATEGIES, StrategyContext, make_strategy
from profl_ray.strategies.profl import ProFL

from .play import case_experiment, tiny_config


def context(name: str) -> StrategyContext:
    experiment = case_experiment("profl")
    config = tiny_config()
    strategy = config.strategy.model_copy(update={"name": name})
    config = config.model_copy(update={"strategy": strategy})
    return StrategyContext(experiment.network, config, experiment.estimate, experiment.quotas_mib)


def test_strategies_are_known_by_their_own_names() -> None:
    assert all(name == strategy.name for name, strategy in STRATEGIES.items())
    assert isinstance(make_strategy(context("profl")), ProFL)


def test_unknown_strategy() -> None:
    with pytest.raises(UserError, match=r"^unknown strategy 'prof'; did you mean 'profl'\? \(known: .*profl"):
        make_strategy(context("prof"))


def test_a_new_strategy_is_one_line(monkeypatch: pytest.MonkeyPatch) -> None:
    class Mine(ProFL):
        name = "mine"

    monkeypatch.setitem(STRATEGIES, "mine", Mine)
    made = replace(case_experiment("profl"), config=context("mine").config).make_strategy()
    assert type(made) is Mine
