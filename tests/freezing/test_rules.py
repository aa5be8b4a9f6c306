"""Freeze rules: when they fire, how they are capped, and that they can be replayed."""

from typing import Any, get_args

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from profl_ray.config import FreezingConfig
from profl_ray.errors import UserError
from profl_ray.freezing import FreezeDecision, FreezeRule, make_rule, movement_history, slope_history
from profl_ray.freezing.rules import RULES

from .reference import replay

SHORT = {"window_rounds": 2, "fit_rounds": 3, "patience_rounds": 2}


def rule(max_rounds: int = 1000, **values: Any) -> FreezeRule:
    return make_rule(FreezingConfig(**values), max_rounds)


def drift(rounds: int) -> list[np.ndarray]:
    """Return a steady drift: effective movement 1, slope 0."""
    return [np.full(4, float(k)) for k in range(rounds + 1)]


def settling(rounds: int, seed: int = 0, scalars: int = 12) -> list[np.ndarray]:
    """Return a block that drifts first and jitters later, as training does."""
    noise = np.random.default_rng(seed).normal(size=(rounds + 1, scalars))
    return [10 * (1 - 0.8**k) + 0.2 * noise[k] for k in range(rounds + 1)]


def first(rule: FreezeRule, snapshots: list[np.ndarray]) -> int | None:
    return replay(rule, snapshots, range(len(snapshots)))


def test_steady_slope_freezes_as_soon_as_patience_allows() -> None:
    # First slope after H + L - 1 = 25 updates, the fifteenth in a row after 39.
    assert first(rule(), drift(60)) == 39
    decision = rule().decide(drift(39), 39)
    assert decision == FreezeDecision(True, "slope", 1.0, 0.0, 15)
    assert rule().decide(drift(38), 38) == FreezeDecision(False, "", 1.0, 0.0, 14)


def test_no_decision_before_window_and_fit_rounds() -> None:
    assert first(rule(patience_rounds=1), drift(60)) == 6 + 20
    before = rule().decide(drift(5), 5)
    assert (before.effective_movement, before.slope, before.streak) == (None, None, 0)
    assert rule().decide(drift(0), 0) == FreezeDecision(False, "", None, None, 0)


def test_a_steep_slope_breaks_the_streak() -> None:
    snapshots = drift(20)
    snapshots[10] = snapshots[10] - 5  # one jump back and forth
    streaks = [rule(**SHORT).decide(snapshots[: k + 1], k).streak for k in range(1, 21)]
    assert streaks[3:9] == [1, 2, 2, 2, 2, 2]
    assert 0 in streaks[9:14] and streaks[-1] == 2


def test_phi_is_in_percentage_points_per_round() -> None:
    snapshots = settling(60, scalars=400)
    slopes = slope_history(movement_history(snapshots, 2), 3)
    steepest = max(abs(value) for value in slopes[10:20] if value is not None)
    decisions = [
        rule(**SHORT | {"patience_rounds": 10}, phi=phi).decide(snapshots[:21], 20)
        for phi in (steepest * 1.001, steepest)
    ]
    assert [decision.freeze for decision in decisions] == [True, False]


def test_minimum_of_rounds() -> None:
    assert first(rule(min_rounds=50), drift(60)) == 50


def test_cap_freezes_whatever_the_slope() -> None:
    noisy = settling(60)
    capped = rule(max_rounds=17, phi=1e-9)
    assert first(capped, noisy) == 17
    assert capped.decide(noisy[:18], 17).reason == "max_rounds"
    assert first(rule(phi=1e-9), noisy) is None


def test_the_slope_is_named_when_rule_and_cap_coincide() -> None:
    assert rule(max_rounds=39).decide(drift(39), 39).reason == "slope"


def test_fixed_rounds_reports_the_curves_too() -> None:
    fixed = rule(name="fixed_rounds", rounds=30)
    assert first(fixed, settling(60)) == 30
    mine = fixed.decide(settling(60)[:31], 30)
    theirs = rule().decide(settling(60)[:31], 30)
    assert mine.reason == "fixed_rounds" and mine.slope is not None
    assert (mine.effective_movement, mine.slope, mine.streak) == (
        theirs.effective_movement,
        theirs.slope,
        theirs.streak,
    )


def test_fixed_rounds_keeps_minimum_and_cap() -> None:
    assert first(rule(name="fixed_rounds", rounds=5, min_rounds=8), drift(20)) == 8
    capped = rule(name="fixed_rounds", rounds=20, max_rounds=6)
    assert first(capped, drift(20)) == 6 and capped.decide(drift(6), 6).reason == "max_rounds"


@pytest.mark.parametrize("name", RULES)
def test_rounds_in_which_no_device_trained_count_for_the_cap(name: str) -> None:
    untrained = [np.zeros(4)]
    assert replay(rule(name=name, rounds=9, max_rounds=7), untrained, [0], rounds_done=20) == 7
    assert replay(rule(name=name, rounds=9, max_rounds=7), drift(2), [0, 3, 12]) == 7


def test_rounds_in_which_no_device_trained_are_no_evaluations() -> None:
    decisions = [rule(**SHORT).decide(drift(4), done) for done in (4, 5, 50)]
    assert [decision.streak for decision in decisions] == [1, 1, 1]


@pytest.mark.parametrize("bad", [np.nan, np.inf])
def test_a_diverged_block_runs_into_the_cap(bad: float) -> None:
    snapshots = [np.full(4, bad)] * 31
    decision = rule(max_rounds=30, **SHORT).decide(snapshots, 30)
    assert (decision.reason, decision.slope) == ("max_rounds", None)


@settings(max_examples=60, deadline=None)
@given(
    seed=st.integers(0, 10_000),
    phis=st.lists(st.floats(0.01, 50), min_size=2, max_size=2).map(sorted),
    patience=st.integers(1, 5),
)
def test_a_larger_phi_never_freezes_later(seed: int, phis: list[float], patience: int) -> None:
    snapshots = settling(30, seed)
    small, large = (
        first(rule(window_rounds=2, fit_rounds=4, patience_rounds=patience, phi=phi), snapshots)
        for phi in phis
    )
    assert small is None or (large is not None and large <= small)


@settings(max_examples=60, deadline=None)
@given(
    name=st.sampled_from(sorted(RULES)),
    seed=st.integers(0, 10_000),
    trained=st.lists(st.booleans(), max_size=40),
    phi=st.floats(0.1, 30),
    cap=st.integers(1, 45),
    data=st.data(),
)
def test_replay_equals_deciding_online(
    name: str, seed: int, trained: list[bool], phi: float, cap: int, data: st.DataObject
) -> None:
    full = settling(len(trained), seed)
    config = FreezingConfig(name=name, phi=phi, rounds=data.draw(st.integers(1, 45)), **SHORT)
    online = make_rule(config, cap)
    snapshots, rounds, fired = [full[0]], [0], None
    for done, any_trained in enumerate(trained, start=1):
        if any_trained:
            snapshots.append(full[len(snapshots)])
            rounds.append(done)
        decision = online.decide(snapshots, done)
        # The latest snapshots are enough: a server need not keep them all.
        assert online.decide(snapshots[-online.num_snapshots_needed :], done) == decision
        assert decision.freeze == bool(decision.reason)
        if decision.freeze and fired is None:
            fired = done
    assert replay(make_rule(config, cap), snapshots, rounds, len(trained)) == fired


def test_every_name_of_the_configuration_has_a_rule() -> None:
    assert set(get_args(FreezingConfig.model_fields["name"].annotation)) == set(RULES)
    with pytest.raises(UserError, match="did you mean 'fixed_rounds'"):
        make_rule(FreezingConfig.model_construct(name="fixed_round"), 5)
