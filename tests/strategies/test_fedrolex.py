"""FedRolex against its paper: the window rolls on by one a round, around the end; the rest is HeteroFL."""

from math import lcm

import numpy as np
import pytest

from profl_ray.strategies.fedrolex import FedRolex
from profl_ray.strategies.heterofl import HeteroFL
from profl_ray.strategies.widths import Widths
from profl_ray.training import State, TaskSum

from .play import copied, random_sum, same_state, tiny_experiment, trace


def strategy(*overrides: str) -> Widths:
    made = tiny_experiment("strategy.name=fedrolex", *overrides).make_strategy()
    assert isinstance(made, Widths)
    return made


def owned(method: Widths, index: int) -> State:
    """Return for each tensor that the task trains how often (0 or 1) it holds each coordinate."""
    task = method.tasks()[index]
    counts = {name: np.zeros(method.weights[name].shape, np.int64) for name in task.moving.names}
    for name, count in counts.items():
        count[np.ix_(*method.slices(task)[name])] = 1
    return counts


def coverage(method: Widths, index: int, num_rounds: int) -> State:
    """Return how often the task held each coordinate in so many rounds."""
    total = {name: 0 * count for name, count in owned(method, index).items()}
    for _ in range(num_rounds):
        total = {name: total[name] + count for name, count in owned(method, index).items()}
        method.advance(method.progress())
    return total


def test_it_begins_as_heterofl() -> None:
    fedrolex = strategy()
    heterofl = tiny_experiment("strategy.name=heterofl").make_strategy()
    assert isinstance(fedrolex, FedRolex) and isinstance(heterofl, HeteroFL)
    assert fedrolex.schedule() == heterofl.schedule()
    for one, other in zip(fedrolex.plan().states, heterofl.plan().states, strict=True):
        assert one.down.tobytes() == other.down.tobytes()
        assert one.frozen.tobytes() == other.frozen.tobytes()


def test_the_window_rolls_by_one_a_round_and_wraps() -> None:
    fedrolex = strategy()
    task = fedrolex.tasks()[1]  # Half the channels.
    for done in range(20):
        at = fedrolex.slices(task)
        for unit, size in enumerate((4, 8, 16, 16)):
            window = [(done + step) % size for step in range(size // 2)]
            assert at[f"units.{unit}.0.weight"][0].tolist() == window
            assert at[f"units.{unit}.1.bias"][0].tolist() == window
            if unit < 3:
                assert at[f"units.{unit + 1}.0.weight"][1].tolist() == window
        assert at["head.weight"][1].tolist() == window
        assert at["units.0.0.weight"][1].tolist() == [0]
        assert at["head.weight"][0].tolist() == at["head.bias"][0].tolist() == list(range(10))
        fedrolex.advance(fedrolex.progress())


def test_the_full_width_does_not_roll() -> None:
    fedrolex = strategy()
    for _ in range(3):
        full = fedrolex.plan().states[0]
        assert same_state(full.task.moving.unpack(full.down), fedrolex.weights, full.task.moving.names)
        fedrolex.advance(fedrolex.progress())


@pytest.mark.parametrize("index", [1, 2, 3, 4])
def test_a_turn_trains_every_channel_equally_often(index: int) -> None:
    """Whatever the width: what has one axis of channels is held equally often, and everywhere."""
    counts = coverage(strategy(), index, lcm(4, 8, 16))
    vectors = {name: count for name, count in counts.items() if count.ndim == 1 or name == "head.weight"}
    assert len(vectors) == 4 * 2 + 2
    for count in vectors.values():
        assert len(np.unique(count)) == 1 and count.flat[0] > 0


def test_wide_windows_come_to_every_coordinate_and_heterofls_never() -> None:
    levels = "strategy.width_levels=[1.0,0.75]"
    counts = coverage(strategy(levels), 1, 16)
    assert all((count > 0).all() for count in counts.values())
    fixed = tiny_experiment("strategy.name=heterofl", levels).make_strategy()
    assert isinstance(fixed, HeteroFL)
    never = coverage(fixed, 1, 16)
    assert all((never[f"units.{unit}.0.weight"] == 0).any() for unit in range(4))


def test_windows_of_half_the_channels_leave_distant_pairs_to_wider_devices() -> None:
    """Both axes roll together, so between equal layers only channels of one window ever meet (its code)."""
    counts = coverage(strategy(), 1, 16)
    met = counts["units.3.0.weight"][:, :, 0, 0] > 0
    for out in range(16):
        distances = {min((out - into) % 16, (into - out) % 16) for into in np.flatnonzero(met[out])}
        assert distances == set(range(8))
    assert (counts["units.2.0.weight"] > 0).all()


def test_updates_go_back_to_where_they_came_from() -> None:
    fedrolex = strategy()
    for _ in range(3):
        fedrolex.advance(fedrolex.progress())
    task = fedrolex.plan().states[1].task
    addend, before = random_sum(task.moving, 4), copied(fedrolex.weights)
    fedrolex.merge({1: addend}, {})
    mask, sent = owned(fedrolex, 1), task.moving.unpack(addend.total / np.float32(4))
    for name, inside in mask.items():
        value = fedrolex.weights[name]
        assert value[inside == 0].tobytes() == before[name][inside == 0].tobytes()
        np.testing.assert_allclose(value[np.ix_(*fedrolex.slices(task)[name])], sent[name], rtol=1e-6)
    # What was sent is what the next plan of the same round would send out again.
    assert np.allclose(fedrolex.plan().states[1].down, addend.total / 4, rtol=1e-6)


def test_merging_what_was_sent_out_changes_nothing() -> None:
    """In every round of a turn: cutting and merging use the same window."""
    fedrolex = strategy()
    for _ in range(17):
        before = copied(fedrolex.weights)
        for index, state in enumerate(fedrolex.plan().states):
            fedrolex.merge({index: TaskSum(state.down.copy(), 1)}, {})
            assert same_state(fedrolex.weights, before)
        fedrolex.advance(fedrolex.progress())


def test_a_stopped_run_resumes_with_its_window() -> None:
    run = trace("fedrolex")
    for done, moment in enumerate(run.moments):
        fedrolex = run.experiment.make_strategy()
        assert isinstance(fedrolex, FedRolex)
        facts = moment.snapshot.facts["strategy"]
        fedrolex.load_state_dict(moment.snapshot.tensors, facts)
        assert fedrolex.shift() == done
        for one, other in zip(fedrolex.plan().states, moment.plan.states, strict=True):
            assert one.down.tobytes() == other.down.tobytes()
