"""The looks of stages: those of the strategy, and sensible ones for stages that nobody declared."""

import pytest

from profl_ray.figures.looks import key, looks_of
from profl_ray.strategies import STRATEGIES, Stage
from profl_ray.strategies.profl import ProFL
from profl_ray.strategies.stages import stages_as_text, stages_from_text

NAMES = [f"{first}{second}" for first in "abcdef" for second in "vwxyz"]


def test_stages_that_nobody_declared_look_different_each():
    looks = looks_of(NAMES)
    assert len({(look.fill, look.hatch) for look in looks.values()}) == len(NAMES)
    assert len({look.short for look in looks.values()}) == len(NAMES)
    assert all(look.band and look.hatch is not None for look in looks.values())


def test_what_a_strategy_declares_is_kept_and_the_rest_is_filled_in():
    looks = looks_of(["warm", "prune"], [Stage("prune", fill="#123456", hatch="")])
    assert list(looks) == ["prune", "warm"], "in the order of legends"
    assert (looks["prune"].fill, looks["prune"].hatch, looks["prune"].short) == ("#123456", "", "P")
    assert looks["prune"].band and looks["warm"].fill


def test_the_key_names_the_stages_that_are_there(make_record):
    looks = looks_of((), ProFL.stages)
    records = [make_record(1, stage="map"), make_record(2, stage="shrink")]
    assert key((records, looks)) == "S shrink, M map, with the block's number"
    odd = [make_record(stage="odd", block=0)], looks_of(["odd"])
    assert key(odd) == key(odd, odd) == "O odd"
    assert key((records, looks), odd) == "S shrink, M map, O odd, with the block's number"


@pytest.mark.parametrize("name", STRATEGIES)
def test_every_strategy_declares_its_stages_and_they_travel(name):
    stages = STRATEGIES[name].stages
    assert stages and stages_from_text(stages_as_text(stages)) == stages
    assert len(stages_as_text(stages)) < 5000, "as much as a tag of MLflow holds"


@pytest.mark.parametrize("text", ["", "[", "[{}]", '[{"name": "a", "colour": "blue"}]', "3", "[3]"])
def test_looks_that_cannot_be_read_are_no_looks(text):
    assert stages_from_text(text) == ()
