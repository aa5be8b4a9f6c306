"""Merging of different sub-models equals a mean per coordinate over its owners, computed one by one."""

from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np
from hypothesis import given, settings
from hypothesis import strategies as st

from profl_ray.models.slicing import Slices, slices_of
from profl_ray.strategies.single_step import merge_whole
from profl_ray.strategies.widths import merge_slices
from profl_ray.training import Layout, State, TaskSum

Shapes = dict[str, tuple[int, ...]]


@dataclass
class Task:
    """All that merging asks of a task."""

    moving: Layout


@dataclass
class Update:
    """What one device sends."""

    task: int
    num_examples: int
    values: State


def update_of(layout: Layout, task: int, num_examples: int, seed: int) -> Update:
    values = np.random.default_rng(seed).normal(size=layout.size).astype(np.float32)
    return Update(task, num_examples, layout.unpack(values))


def sums_of(tasks: list[Task], updates: list[Update]) -> dict[int, TaskSum]:
    """Sum the updates as the workers do; the tasks in the order in which they were first trained."""
    sums: dict[int, TaskSum] = {}
    for update in updates:
        layout = tasks[update.task].moving
        addend = TaskSum(layout.pack(update.values) * np.float32(update.num_examples), update.num_examples)
        if update.task in sums:
            sums[update.task].add(addend)
        else:
            sums[update.task] = addend
    return sums


def naive(weights: State, slices: list[Mapping[str, Slices]], updates: list[Update]) -> State:
    """Return the means in float64; nan where no device owns a coordinate."""
    totals = {name: np.zeros(value.shape) for name, value in weights.items()}
    counts = {name: np.zeros(value.shape) for name, value in weights.items()}
    for update in updates:
        for name, values in update.values.items():
            at = slices[update.task][name]
            for place in np.ndindex(values.shape):
                target = tuple(int(axis[index]) for axis, index in zip(at, place, strict=True))
                totals[name][target] += update.num_examples * float(values[place])
                counts[name][target] += update.num_examples
    with np.errstate(invalid="ignore"):
        return {name: totals[name] / counts[name] for name in totals}


def copies(sums: Mapping[int, TaskSum]) -> dict[int, TaskSum]:
    return {index: TaskSum(addend.total.copy(), addend.weight) for index, addend in sums.items()}


def same_bits(one: State, other: State) -> bool:
    return one.keys() == other.keys() and all(one[n].tobytes() == other[n].tobytes() for n in one)


@st.composite
def federations(
    draw: st.DrawFn, sliced: bool
) -> tuple[State, list[Task], list[dict[str, Slices]], list[Update]]:
    """Return weights, tasks, their slices, and what the devices send; some tasks may have no device."""
    num_axes = st.lists(st.integers(1, 5), min_size=1, max_size=3).map(tuple)
    shapes: Shapes = {f"t{i}": draw(num_axes) for i in range(draw(st.integers(1, 3)))}
    tasks, slices = [], []
    for _ in range(draw(st.integers(1, 3))):
        names = [name for name in shapes if draw(st.booleans())] or ["t0"]
        own = {
            name: tuple(draw(st.integers(1, size)) if sliced else size for size in shapes[name])
            for name in names
        }
        tasks.append(Task(Layout.of(own)))
        slices.append(slices_of(shapes, own, draw(st.integers(0, 9)) if sliced else 0))
    devices = st.tuples(st.integers(0, len(tasks) - 1), st.integers(1, 900), st.integers(0, 10**6))
    updates = [
        update_of(tasks[task].moving, task, num_examples, seed)
        for task, num_examples, seed in draw(st.lists(devices, max_size=5))
    ]
    generator = np.random.default_rng(draw(st.integers(0, 999)))
    weights = {name: generator.normal(size=shape).astype(np.float32) for name, shape in shapes.items()}
    return weights, tasks, slices, updates


@settings(max_examples=80, deadline=None)
@given(federation=federations(sliced=True))
def test_slices_become_the_mean_over_their_owners(federation) -> None:
    weights, tasks, slices, updates = federation
    sums, expected = sums_of(tasks, updates), naive(weights, slices, updates)
    merged = merge_slices(weights, tasks, slices, sums)
    assert merged.keys() == {name for update in updates for name in update.values}
    for name, value in merged.items():
        owned = ~np.isnan(expected[name])
        assert value.dtype == np.float32 and value.shape == weights[name].shape
        np.testing.assert_allclose(value[owned], expected[name][owned], rtol=1e-5, atol=1e-5)
        # Coordinates without an owner keep every bit.
        assert value[~owned].tobytes() == weights[name][~owned].tobytes()


@settings(max_examples=80, deadline=None)
@given(federation=federations(sliced=False))
def test_whole_tensors_become_the_mean_over_their_owners(federation) -> None:
    weights, tasks, slices, updates = federation
    merged = merge_whole(tasks, sums_of(tasks, updates))
    expected = naive(weights, slices, updates)
    assert merged.keys() == {name for update in updates for name in update.values}
    for name, value in merged.items():
        assert value.dtype == np.float32 and value.shape == weights[name].shape
        np.testing.assert_allclose(value, expected[name], rtol=1e-5, atol=1e-5)


@settings(max_examples=40, deadline=None)
@given(federation=federations(sliced=True))
def test_the_order_of_sums_does_not_matter_and_nothing_is_changed_in_place(federation) -> None:
    weights, tasks, slices, updates = federation
    sums = sums_of(tasks, updates)
    kept_weights, kept_sums = {n: v.copy() for n, v in weights.items()}, copies(sums)
    backwards = dict(reversed(sums.items()))
    merged = merge_slices(weights, tasks, slices, sums)
    assert same_bits(merged, merge_slices(weights, tasks, slices, backwards))
    for value in merged.values():
        value[...] = 0
    assert same_bits(weights, kept_weights)
    assert all(sums[i].total.tobytes() == kept_sums[i].total.tobytes() for i in sums)
    assert all(sums[i].weight == kept_sums[i].weight for i in sums)


@settings(max_examples=40, deadline=None)
@given(federation=federations(sliced=False))
def test_slices_of_everything_are_whole_tensors(federation) -> None:
    weights, tasks, slices, updates = federation
    sums = sums_of(tasks, updates)
    whole = merge_whole(tasks, sums)
    assert same_bits(whole, merge_whole(tasks, dict(reversed(sums.items()))))
    assert same_bits(whole, merge_slices(weights, tasks, slices, sums))


def test_by_hand() -> None:
    """Two devices: 3 images on all of five channels, 1 image on channels 3, 4, 0."""
    tasks = [Task(Layout.of({"w": (5,)})), Task(Layout.of({"w": (3,)}))]
    slices = [{"w": (np.array([0, 1, 2, 3, 4]),)}, {"w": (np.array([3, 4, 0]),)}]
    sums = {
        0: TaskSum(np.array([3, 6, 9, 12, 15], np.float32), 3),
        1: TaskSum(np.array([8, 1, -3], np.float32), 1),
    }
    old = {"w": np.full(5, 7, np.float32)}
    assert merge_slices(old, tasks, slices, sums)["w"].tolist() == [0, 2, 3, 5, 4]
    assert merge_slices(old, tasks, slices, {1: sums[1]})["w"].tolist() == [-3, 7, 7, 8, 1]
    assert merge_slices(old, tasks, slices, {}) == merge_whole(tasks, {}) == {}
