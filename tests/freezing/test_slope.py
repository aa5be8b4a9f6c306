"""The least-squares slope, in percentage points per round."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from profl_ray.freezing import slope, slope_history

movements = st.lists(st.none() | st.floats(0, 1), max_size=25)


def test_a_line_has_its_own_slope_in_percentage_points() -> None:
    assert slope([0.9 - 0.002 * k for k in range(30)], 20) == pytest.approx(-0.2)


def test_a_constant_has_slope_exactly_zero() -> None:
    assert slope([1 / 3] * 20, 20) == 0


def test_only_the_last_values_count() -> None:
    assert slope([1.0, 0.0, 0.5, 0.1, 0.2, 0.3], 3) == pytest.approx(10)


def test_none_before_enough_values() -> None:
    assert slope([0.1] * 4, 5) is None
    assert slope([None, 0.1, 0.1], 3) is None
    assert slope([None, 0.1, 0.1, 0.1], 3) == 0
    assert slope_history([None, 0.0, 0.1, 0.2], 3) == [None, None, None, pytest.approx(10)]


@settings(max_examples=80, deadline=None)
@given(values=st.lists(st.floats(0, 1), min_size=2, max_size=30))
def test_equals_a_polynomial_fit(values: list[float]) -> None:
    expected = np.polyfit(np.arange(len(values)), 100 * np.array(values), 1)[0]
    assert slope(values, len(values)) == pytest.approx(expected, abs=1e-9)


@settings(max_examples=80, deadline=None)
@given(values=movements, fit_rounds=st.integers(2, 10))
def test_history_equals_the_slope_at_every_round(values: list[float | None], fit_rounds: int) -> None:
    expected = [slope(values[:end], fit_rounds) for end in range(1, len(values) + 1)]
    assert slope_history(values, fit_rounds) == expected
