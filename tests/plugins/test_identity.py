"""An edited file never meets what an older one has left: shared rounds, kept needs, kept features."""

import pytest

from profl_ray.facts import KeptFacts
from profl_ray.server.sharing.key import PathKeys
from profl_ray.strategies import Step
from profl_ray.testing import tiny_experiment

PACED = '''"""ProFL with an option of its own, and one that matters late."""

from profl_ray.sections import Section
from profl_ray.strategies import Step
from profl_ray.strategies.profl import ProFL


class Paced(ProFL):
    """ProFL."""

    name = "paced"
    late_keys = ProFL.late_keys | {"strategy.paced.late": Step("grow", 2)}

    class Options(Section):
        """Options of Paced."""

        early: int = 1
        """Not used."""
        late: int = 1
        """Not used."""
'''
NAME = "strategy.name=./paced.py:Paced"


@pytest.fixture
def paced(here):
    (here / "paced.py").write_text(PACED)
    return here


def keys(*overrides):
    experiment = tiny_experiment(*overrides)
    return PathKeys(experiment, experiment.make_strategy())


def test_an_edited_file_has_other_rounds(paced):
    before = keys(NAME).own
    assert keys(NAME).own == before != keys("strategy.name=profl").own
    (paced / "paced.py").write_text(PACED.replace('"""Not used."""', '"""Not used yet."""'))
    assert keys(NAME).own != before


def test_where_the_file_lies_makes_no_difference(paced):
    before = keys(NAME).own
    (paced / "away").mkdir()
    (paced / "paced.py").rename(paced / "away" / "paced.py")
    assert keys("strategy.name=./away/paced.py:Paced").own == before


def test_its_options_are_part_of_the_key_from_where_they_matter(paced):
    plain = keys(NAME)
    assert keys(NAME, "strategy.paced.early=2").own != plain.own
    assert keys(NAME, "strategy.profl.map_rounds=1").own != plain.own, "what it builds on has options, too"
    late = keys(NAME, "strategy.paced.late=2")
    assert late.own == plain.own
    assert late.path(Step("grow", 1), [2]) == plain.path(Step("grow", 1), [2])
    assert late.path(Step("grow", 2), [2]) != plain.path(Step("grow", 2), [2])


def test_a_model_of_ones_own_is_part_of_the_key(here):
    assert keys("strategy.name=profl", "model.name=./others.py:Wide").own != keys("strategy.name=profl").own


def test_what_was_found_out_about_it_is_found_out_again(paced, tmp_path):
    def ask(answer):
        return KeptFacts(tmp_path / "facts").get("what?", lambda: answer, int)

    tiny_experiment(NAME)
    assert (ask(1), ask(2)) == (1, 1)
    (paced / "paced.py").write_text(PACED + "\n")
    tiny_experiment(NAME)
    assert ask(3) == 3
