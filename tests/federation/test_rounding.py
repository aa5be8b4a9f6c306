import numpy as np
from hypothesis import given
from hypothesis import strategies as st

from profl_ray.federation.rounding import apportion


@given(st.lists(st.integers(0, 10**6), min_size=1, max_size=50).filter(any), st.floats(0, 1))
def test_parts_keep_the_sum_and_stay_within_whole_weights(weights, fraction):
    total = int(sum(weights) * fraction)
    parts = apportion(total, np.array(weights))
    assert parts.sum() == total
    assert (parts >= 0).all() and (parts <= weights).all()


@given(st.integers(0, 1000), st.lists(st.floats(1e-3, 1), min_size=1, max_size=20))
def test_parts_are_within_one_of_exact(total, weights):
    array = np.array(weights)
    parts = apportion(total, array)
    assert parts.sum() == total
    assert (np.abs(parts - total * array / array.sum()) < 1 + 1e-9).all()


def test_largest_remainder_first():
    assert apportion(10, np.array([0.25, 0.25, 0.5])).tolist() == [3, 2, 5]
