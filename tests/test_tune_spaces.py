"""The named search spaces as such; what a sweep does with one is tested in tests/tuning."""

import inspect
from dataclasses import replace
from importlib import import_module
from pathlib import Path

import pytest

import tune_spaces
from profl_ray.config.load import load_experiment
from profl_ray.errors import UserError
from profl_ray.facts import KeptFacts
from profl_ray.models import find_family
from profl_ray.server.experiment import make_network
from profl_ray.tuning import Choice, Range
from profl_ray.tuning.request import SweepRequest, base_config
from profl_ray.tuning.space import decode, encode
from tune_spaces import find_space, space_names

NAMES = space_names()


def base(space):
    return load_experiment(space.recipe, space.overrides)


def test_every_file_is_a_space():
    files = Path(tune_spaces.__file__).parent.glob("*.py")
    assert sorted(file.stem for file in files if file.stem != "__init__") == NAMES
    assert {"freezing", "freezing_rule", "partitions"} <= set(NAMES)


@pytest.mark.parametrize("name", NAMES)
def test_it_is_documented_and_called_as_its_file(name):
    space, module = find_space(name), import_module(f"tune_spaces.{name}")
    assert space.name == name
    assert space.description and "\n" not in space.description
    assert module.__doc__ and inspect.getdoc(getattr(module, name))


@pytest.mark.parametrize("name", NAMES)
def test_its_recipe_loads_and_its_request_is_sound(name):
    space = find_space(name)
    assert base(space).recipe == space.recipe
    assert base_config(SweepRequest(space)) == base(space).with_absolute_paths()


def corners(space):
    """Every combination of a grid; for ranges, of their ends."""
    ends = {
        key: domain if isinstance(domain, Choice) else Choice.of(domain.low, domain.high)
        for key, domain in space.parameters.items()
    }
    return replace(space, parameters=ends).grid()


@pytest.mark.parametrize("name", NAMES)
def test_every_combination_is_a_valid_configuration(name):
    space = find_space(name)
    config = base(space)
    num_units = sum(find_family(config.model.name).stages)
    for settings in corners(space):
        # As it arrives in a trial: through Tune, as text.
        travelled = decode({key: encode(value) for key, value in settings.items()})
        trial = space.configure(config, travelled)
        network = make_network(trial, (3, 32, 32), 10, KeptFacts())
        assert sum(network.partition) == num_units


@pytest.mark.parametrize("name", NAMES)
def test_ranges_are_ranges(name):
    for domain in find_space(name).parameters.values():
        if isinstance(domain, Range):
            assert domain.low < domain.high and (domain.low > 0 or not domain.log)
        else:
            assert len(domain.values) >= 2


def test_the_demo_sweeps_thresholds_times_partitions_over_twenty_devices():
    space = find_space("freezing")
    combinations = space.grid()
    thresholds = {settings["freezing.phi"] for settings in combinations}
    partitions = {str(settings["model.partition"]) for settings in combinations}
    assert len(thresholds) >= 3 and len(partitions) >= 2
    assert len(combinations) == len(thresholds) * len(partitions)
    assert base(space).federation.num_devices >= 20
    assert base(space).fleet.backend == "ray"


def test_an_unknown_name_is_told_with_the_nearest():
    with pytest.raises(UserError, match="unknown search space 'freezin'; did you mean 'freezing'") as told:
        find_space("freezin")
    assert all(name in str(told.value) for name in NAMES)
