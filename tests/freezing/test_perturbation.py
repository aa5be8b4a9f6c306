"""Block perturbation: its closed forms and invariances, and the rule that reads it."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from profl_ray.config import FreezingConfig
from profl_ray.freezing import (
    BlockPerturbationRule,
    make_rule,
    movement_history,
    slope_history,
)

from .reference import effective_movement, replay

H = 6
SHORT = {"window_rounds": 2, "fit_rounds": 3, "patience_rounds": 2}


def perturbation(places: list[np.ndarray], window: int) -> float | None:
    return effective_movement(places, window, order=2)


def random_walk(rounds: int, scalars: int, seed: int = 0) -> list[np.ndarray]:
    updates = np.random.default_rng(seed).normal(size=(rounds, scalars))
    return list(np.concatenate([np.zeros((1, scalars)), np.cumsum(updates, axis=0)]))


def settling(rounds: int) -> list[np.ndarray]:
    noise = np.random.default_rng(0).normal(size=(rounds + 1, 12))
    return [10 * (1 - 0.8**k) + 0.2 * noise[k] for k in range(rounds + 1)]


def test_steady_drift_is_one() -> None:
    drift = np.random.default_rng(1).normal(size=50)
    history = movement_history([k * drift for k in range(10)], H, order=2)
    assert history == [None] * (H - 1) + [pytest.approx(1)] * 4


def test_alternating_updates_cancel_in_an_even_window() -> None:
    places = [np.array([0.1, 3.0]) * (k % 2) for k in range(11)]
    assert perturbation(places, H) == 0
    assert perturbation(places, 5) == pytest.approx(1 / 5)


def test_random_walk_is_about_one_over_root_of_the_window() -> None:
    assert perturbation(random_walk(H, 20_000), H) == pytest.approx(H**-0.5, rel=0.03)


def test_it_is_a_ratio_of_vectors_lengths_not_of_sums_over_scalars() -> None:
    """Two updates at a right angle, 3 and 4 long: 5 / 7, where the effective movement is 1."""
    places = [np.array([0.0, 0.0]), np.array([3.0, 0.0]), np.array([3.0, 4.0])]
    assert perturbation(places, 2) == pytest.approx(5 / 7)
    assert effective_movement(places, 2) == pytest.approx(1)


def test_no_update_at_all_is_zero() -> None:
    assert perturbation([np.ones(3, np.float32)] * 8, H) == 0


@pytest.mark.parametrize("bad", [np.nan, np.inf])
def test_diverged_scalars_have_no_perturbation(bad: float) -> None:
    assert perturbation([np.zeros(3), np.full(3, bad), np.zeros(3)], 2) is None


@settings(max_examples=60, deadline=None)
@given(
    rounds=st.integers(1, 12),
    scalars=st.integers(1, 6),
    window=st.integers(1, 8),
    seed=st.integers(0, 2**32 - 1),
    scale=st.floats(1e-6, 1e6),
)
def test_invariances(rounds: int, scalars: int, window: int, seed: int, scale: float) -> None:
    """Scaling and rotating change nothing; a rotation would change the effective movement."""
    places = random_walk(rounds, scalars, seed)
    rotation, _ = np.linalg.qr(np.random.default_rng(seed).normal(size=(scalars, scalars)))
    history = movement_history(places, window, order=2)
    changed = movement_history([scale * rotation @ place for place in places], window, order=2)
    assert len(history) == rounds
    for one, other in zip(history, changed, strict=True):
        assert (one is None) == (other is None)
        if one is not None:
            assert 0 <= one <= 1 and other == pytest.approx(one, rel=1e-6, abs=1e-6)


def test_the_rule_reads_its_slope() -> None:
    places = settling(30)
    decision = make_rule(FreezingConfig(name="block_perturbation", **SHORT), 1000).decide(places, 30)
    history = movement_history(places, 2, order=2)
    # Not equal: the rule sums over the latest rounds alone.
    assert decision.effective_movement == pytest.approx(history[-1], rel=1e-12)
    assert decision.effective_movement != pytest.approx(effective_movement(places, 2), rel=1e-3)
    assert decision.slope == pytest.approx(slope_history(history, 3)[-1], rel=1e-9)


def test_it_freezes_by_the_slope_with_patience_and_cap() -> None:
    rule = make_rule(FreezingConfig(name="block_perturbation", phi=5.0, **SHORT), 1000)
    assert isinstance(rule, BlockPerturbationRule)
    places = settling(60)
    slopes = slope_history(movement_history(places, 2, order=2), 3)
    small = [value is not None and abs(value) < 5.0 for value in slopes]
    expected = next(k for k in range(2, 61) if small[k - 2] and small[k - 1] and k >= 5)
    assert replay(rule, places, range(61)) == expected
    assert rule.decide(places[: expected + 1], expected).reason == "slope"
    capped = make_rule(FreezingConfig(name="block_perturbation", phi=1e-9, **SHORT), 7)
    assert replay(capped, places, range(61)) == 7
    assert capped.decide(places[:8], 7).reason == "max_rounds"
