import json

import pytest
from hypothesis import given
from hypothesis import strategies as st

from profl_ray.errors import UserError
from profl_ray.tuning import Choice, Range
from profl_ray.tuning.space import decode, encode, trial_name

from .kit import space


def test_a_grid_is_every_combination_in_order():
    made = space("x", {"seed": Choice.of(1, 2), "model.partition": Choice.of([2, 2], "units", 4)})
    assert [tuple(settings.values()) for settings in made.grid()] == [
        (1, [2, 2]),
        (1, "units"),
        (1, 4),
        (2, [2, 2]),
        (2, "units"),
        (2, 4),
    ]
    assert all(list(settings) == ["seed", "model.partition"] for settings in made.grid())


def test_a_grid_refuses_a_range_and_names_it():
    made = space("x", {"seed": Choice.of(1, 2), "freezing.phi": Range(0.1, 1.0)})
    with pytest.raises(UserError, match=r"space 'short': freezing\.phi is a range.*--search random"):
        made.grid()


values = st.recursive(
    st.none() | st.booleans() | st.integers() | st.text() | st.floats(allow_nan=False, allow_infinity=False),
    lambda inner: st.lists(inner, max_size=3),
    max_leaves=5,
)


@given(st.dictionaries(st.text(), values, max_size=4))
def test_settings_come_back_from_tune_as_they_were(settings):
    travelling = {key: encode(value) for key, value in settings.items()}
    assert all(isinstance(value, str) for value in travelling.values())
    assert decode(travelling) == settings


def test_numbers_that_tune_drew_are_left_as_they_are():
    assert decode({"a": 0.25, "b": 3, "c": json.dumps([2, 2])}) == {"a": 0.25, "b": 3, "c": [2, 2]}


def test_a_trial_is_named_by_its_settings():
    settings = {"freezing.phi": 0.2, "model.partition": [2, 2], "training.learning_rate": 0.0123456789}
    assert trial_name(settings) == "phi=0.2 partition=[2,2] learning_rate=0.01235"
    assert trial_name({"model.partition": "units", "seed": 7}) == "partition=units seed=7"
    assert trial_name({}) == ""
