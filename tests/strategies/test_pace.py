"""The pace of a step: counted rounds, sampled scalars, and the rule that is asked."""

import numpy as np
import pytest

from profl_ray.config import FreezingConfig
from profl_ray.strategies.pace import StepPace, fixed_rule, freeze_rule


def pace(rounds: int = 3, names: tuple[str, ...] = ("a", "b"), num_scalars: int = 100) -> StepPace:
    return StepPace(fixed_rule(rounds), names, num_scalars, seed=1, step=2)


def weights(value: float = 0.0) -> dict[str, np.ndarray]:
    return {
        "a": np.full((2, 3), value, np.float32),
        "b": np.arange(4, dtype=np.float32) + np.float32(value),
        "other": np.full(50, value, np.float32),
    }


def test_all_scalars_of_the_named_tensors_and_no_others() -> None:
    step = pace()
    step.record(weights(1.0))
    assert step.snapshots[0].tolist() == [1.0] * 6 + [1.0, 2.0, 3.0, 4.0]


def test_a_large_block_is_sampled_once_per_step() -> None:
    one, twin, other = pace(num_scalars=5), pace(num_scalars=5), StepPace(fixed_rule(3), ("other",), 5, 1, 3)
    many = {
        "a": np.arange(60, dtype=np.float32),
        "b": np.arange(60, 90, dtype=np.float32),
        "other": weights()["other"],
    }
    for step in (one, twin, other):
        step.record(many)
        step.record(many)
    assert one.indices is not None and twin.indices is not None and other.indices is not None
    assert len(set(one.indices.tolist())) == 5 and np.array_equal(one.indices, twin.indices)
    assert np.array_equal(one.snapshots[0], one.snapshots[1])
    assert np.array_equal(one.snapshots[0], one.indices.astype(np.float32))
    assert one.indices.tolist() != other.indices.tolist()


def test_snapshots_are_copies() -> None:
    step, values = pace(), weights()
    step.record(values)
    values["a"] += 1
    assert not step.snapshots[0][:6].any()


def test_a_step_without_an_active_block_only_counts() -> None:
    step = pace(rounds=2, names=())
    step.record(weights())
    assert step.snapshots == []
    assert not step.progress().step_ended
    step.rounds_done = 1
    progress = step.progress()
    assert (progress.step_ended, progress.end_reason) == (True, "fixed_rounds")
    assert progress.figures == {}


def test_progress_counts_the_round_that_was_just_played() -> None:
    step = pace(rounds=3)
    step.record(weights())
    ended = []
    for rounds_done in range(3):
        step.rounds_done = rounds_done
        step.record(weights(rounds_done + 1.0))
        ended.append(step.progress().step_ended)
    assert ended == [False, False, True]


def test_a_loaded_pace_continues_as_the_first(num_scalars: int = 5) -> None:
    one, other = pace(num_scalars=num_scalars), pace(num_scalars=num_scalars)
    for value in range(3):
        one.record(weights(float(value)))
    one.rounds_done = 2
    other.record(weights(2.0))  # As a strategy does: its weights are those of the last round.
    other.load(2, np.stack(one.snapshots))
    for step in (one, other):
        step.record(weights(7.0))
    assert np.array_equal(np.stack(one.snapshots), np.stack(other.snapshots))
    assert one.progress() == other.progress()


@pytest.mark.parametrize(("own", "limit"), [(7, 7), (None, 30)])
def test_a_step_may_have_its_own_limit(own: int | None, limit: int) -> None:
    rule = freeze_rule(FreezingConfig(max_rounds=30, patience_rounds=100), own)
    snapshots = [np.full(3, float(k)) for k in range(limit + 1)]
    assert not rule.decide(snapshots[:limit], limit - 1).freeze
    decision = rule.decide(snapshots, limit)
    assert decision.freeze and decision.reason == "max_rounds"
