"""Options of a strategy from outside are part of the tree: typed, validated, stored, overridden, resumed."""

import pickle

import pytest

from profl_ray.config import apply_overrides, flatten, from_yaml, load_experiment, resumed_config, to_yaml
from profl_ray.errors import UserError
from profl_ray.server.run_folder import RunFolder
from profl_ray.strategies import find_strategy
from profl_ray.strategies.profl import ProFL

MINE = ("strategy.name=./mine.py:Mine", "strategy.mine.alpha=0.5")


def test_our_methods_have_their_options_under_their_names():
    strategy = load_experiment("digits_tiny", ["strategy.profl.map_rounds=3"]).strategy
    assert strategy.options(ProFL.Options).map_rounds == 3 == strategy.profl.map_rounds


def test_options_of_ones_own_are_typed(here):
    config = load_experiment("digits_tiny", MINE)
    assert flatten(config)["strategy.mine.alpha"] == "0.5"
    options = config.strategy.options(find_strategy("./mine.py:Mine").Options)
    assert (options.alpha, options.waves) == (0.5, 1)


@pytest.mark.parametrize(
    ("override", "message"),
    [
        ("strategy.mine.alpha=2", "strategy.mine.alpha=2: must be less than or equal to 1 (in override)"),
        (
            "strategy.mine.alpha=x",
            "strategy.mine.alpha=x: must be a number greater than 0 and at most 1 (in ov",
        ),
        (
            "strategy.mine.alfa=1",
            "unknown key 'strategy.mine.alfa' (in override); did you mean 'strategy.mine.al",
        ),
        ("strategy.mine=1", "strategy.mine=1: strategy.mine is a section; set its keys: alpha, waves"),
    ],
)
def test_mistakes_in_them_are_told_as_in_ours(here, override, message):
    with pytest.raises(UserError) as told:
        load_experiment("digits_tiny", [MINE[0], override])
    assert str(told.value).startswith(message)


def test_a_recipe_may_name_one(here):
    (here / "mine.yaml").write_text(
        "base: digits_tiny\nstrategy: {name: './mine.py:Mine', mine: {waves: 1e1}}\n"
    )
    assert load_experiment("mine.yaml").strategy.mine.waves == 10
    (here / "far.yaml").write_text(f"base: digits_tiny\nstrategy: {{name: '{here}/mine.py:Mine'}}\n")
    with pytest.raises(UserError, match="a recipe may only name a file below the working folder"):
        load_experiment("far.yaml")


def test_the_tree_is_a_message_and_comes_back_from_a_file(here):
    config = load_experiment("digits_tiny", MINE).with_absolute_paths()
    assert config.strategy.name == f"{here}/mine.py:Mine"
    assert pickle.loads(pickle.dumps(config)) == config == from_yaml(to_yaml(config))


def test_a_sweep_over_methods_keeps_the_options_of_all(here):
    config = apply_overrides(load_experiment("digits_tiny", MINE), {"strategy.name": "profl"})
    assert config.strategy.plugins == ("./mine.py:Mine",) and config.strategy.mine.alpha == 0.5
    again = apply_overrides(config, {"strategy.name": "./mine.py:Mine", "strategy.mine.alpha": 0.25})
    assert again.strategy.mine.alpha == 0.25
    assert from_yaml(to_yaml(again)) == again


def test_a_run_outlives_its_file(here):
    """As where a job's folder was thrown away: the run has a copy of its own."""
    config = load_experiment("digits_tiny", MINE).with_absolute_paths()
    folder = RunFolder(here / "run")
    folder.begin(config, {"mlflow_run_id": ""}, {})
    (here / "elsewhere").mkdir()
    (here / "mine.py").rename(here / "elsewhere" / "mine.py")
    assert folder.config().strategy.mine.alpha == 0.5
    moved = ["strategy.name=./elsewhere/mine.py:Mine", MINE[1]]
    asked = load_experiment("digits_tiny", moved).with_absolute_paths()
    resumed = resumed_config(folder.config(), asked, moved, "--resume run")
    assert resumed.strategy.name == f"{here}/elsewhere/mine.py:Mine"
    with pytest.raises(UserError, match=r"was begun with strategy\.mine.alpha=0.5 and keeps it"):
        other = [moved[0], "strategy.mine.alpha=1"]
        asked = load_experiment("digits_tiny", other).with_absolute_paths()
        resumed_config(folder.config(), asked, other, "--resume run")


@pytest.mark.parametrize(
    ("body", "message"),
    [
        ("alpha: int\n        'x'", "its option alpha needs a default"),
        ("alpha: int = 1", "its option alpha has no description, a text below it"),
    ],
)
def test_options_that_cannot_be_in_the_tree(here, body, message):
    (here / "odd.py").write_text(
        "from profl_ray.sections import Section\nfrom profl_ray.strategies.fedavg import FedAvg\n"
        f"class Odd(FedAvg):\n    name = 'odd'\n    class Options(Section):\n        {body}\n"
    )
    with pytest.raises(UserError, match=message):
        load_experiment("digits_tiny", ["strategy.name=./odd.py:Odd"])


@pytest.mark.parametrize("name", ["profl", "rounds", "options", "model_dump"])
def test_a_name_that_is_taken(here, name):
    text = (here / "mine.py").read_text().replace('name = "mine"', f'name = "{name}"')
    (here / "mine.py").write_text(text)
    with pytest.raises(UserError, match=rf"its options would be strategy\.{name}, which is taken"):
        load_experiment("digits_tiny", MINE[:1])
