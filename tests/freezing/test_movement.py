"""Effective movement: the closed forms of section 6 and its invariances."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from profl_ray.freezing import movement_history, sample_indices

from .reference import effective_movement

H = 6


def walk(updates: np.ndarray) -> list[np.ndarray]:
    """Return the snapshots [S] of a history with these updates [k, S], from zero."""
    return list(np.concatenate([np.zeros((1, updates.shape[1])), np.cumsum(updates, axis=0)]))


def random_walk(rounds: int, scalars: int, seed: int = 0) -> list[np.ndarray]:
    return walk(np.random.default_rng(seed).normal(size=(rounds, scalars)))


def test_steady_drift_is_one() -> None:
    drift = np.random.default_rng(1).normal(size=50)
    assert effective_movement(walk(np.tile(drift, (9, 1))), H) == pytest.approx(1)


def test_random_walk_is_about_one_over_root_of_the_window() -> None:
    for window in (2, 6, 25):
        movement = effective_movement(random_walk(window, 20_000), window)
        assert movement == pytest.approx(window**-0.5, rel=0.03)


def test_alternating_updates_cancel_in_an_even_window() -> None:
    updates = np.array([[(-1.0) ** k * 0.1, (-1.0) ** k * 3] for k in range(10)])
    # From memory of positions, as a real history has them: exactly two places.
    places = [np.zeros(2) if k % 2 == 0 else updates[0] for k in range(11)]
    assert effective_movement(places, H) == 0
    assert effective_movement(places, 5) == pytest.approx(1 / 5)


def test_jitter_about_an_optimum_is_one_over_the_window() -> None:
    # Independent positions: the displacement over the window is as long as one update.
    places = list(np.random.default_rng(2).normal(size=(H + 1, 20_000)))
    assert effective_movement(places, H) == pytest.approx(1 / H, rel=0.03)


def test_no_update_at_all_is_zero() -> None:
    assert effective_movement([np.ones(3, np.float32)] * 8, H) == 0
    assert effective_movement([np.ones(0)] * 8, H) == 0


def test_ratio_of_sums_not_mean_of_ratios() -> None:
    # The first scalar drifts by 9, the second comes back after 2 steps of 0.5.
    places = [np.array([0, 0]), np.array([4.5, 0.5]), np.array([9, 0])]
    assert effective_movement(places, 2) == pytest.approx(9 / 10)


def test_window_is_the_last_rounds_only() -> None:
    history = random_walk(20, 30)
    assert effective_movement(history, H) == effective_movement(history[-(H + 1) :], H)


@pytest.mark.parametrize("updates", range(H))
def test_none_with_fewer_updates_than_the_window(updates: int) -> None:
    assert effective_movement(random_walk(updates, 4), H) is None
    assert movement_history(random_walk(updates, 4), H) == [None] * updates


def test_computed_in_float64() -> None:
    # In float32 or float16 the sum of so many small lengths would be visibly short.
    drift = np.full(70_000, 2.0**-9, np.float16)
    assert effective_movement([np.zeros_like(drift), drift, 2 * drift], 2) == pytest.approx(1, abs=1e-12)


@pytest.mark.parametrize("bad", [np.nan, np.inf])
def test_diverged_scalars_have_no_movement(bad: float) -> None:
    history = random_walk(20, 3)
    history[10][1] = bad
    history[11][1] = bad
    movements = movement_history(history, H)
    assert [k for k, movement in enumerate(movements, start=1) if movement is None] == [
        *range(1, H),
        *range(10, 11 + H + 1),
    ]


@settings(max_examples=60, deadline=None)
@given(
    rounds=st.integers(1, 12),
    scalars=st.integers(1, 6),
    window=st.integers(1, 8),
    seed=st.integers(0, 2**32 - 1),
    scale=st.floats(1e-6, 1e6),
    sign=st.sampled_from([-1, 1]),
)
def test_invariances(rounds: int, scalars: int, window: int, seed: int, scale: float, sign: int) -> None:
    history = random_walk(rounds, scalars, seed)
    movement = effective_movement(history, window)
    order = np.random.default_rng(seed).permutation(scalars)
    changed = effective_movement([sign * scale * place[order] + 0.0 for place in history], window)
    if movement is None:
        assert changed is None and rounds < window
    else:
        assert 0 <= movement <= 1
        assert changed == pytest.approx(movement, rel=1e-9, abs=1e-9)


@settings(max_examples=40, deadline=None)
@given(rounds=st.integers(0, 15), window=st.integers(1, 8), seed=st.integers(0, 999))
def test_history_equals_the_value_at_every_round(rounds: int, window: int, seed: int) -> None:
    history = random_walk(rounds, 5, seed)
    expected = [effective_movement(history[: k + 1], window) for k in range(1, rounds + 1)]
    assert movement_history(history, window) == expected


@settings(max_examples=40, deadline=None)
@given(total=st.integers(0, 500), limit=st.integers(1, 500), seed=st.integers(0, 999))
def test_sample_is_sorted_unique_and_repeatable(total: int, limit: int, seed: int) -> None:
    indices = sample_indices(total, limit, np.random.default_rng(seed))
    assert indices.dtype == np.int64 and len(indices) == min(total, limit)
    assert np.all(np.diff(indices) > 0)
    assert all(0 <= index < total for index in indices)
    assert np.array_equal(indices, sample_indices(total, limit, np.random.default_rng(seed)))


def test_sample_reaches_all_scalars_evenly() -> None:
    generator = np.random.default_rng(0)
    counts = np.zeros(20)
    for _ in range(4000):
        counts[sample_indices(20, 5, generator)] += 1
    assert counts == pytest.approx(np.full(20, 1000), rel=0.12)
