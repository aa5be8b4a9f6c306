"""Tasks on one model share it: nothing of one task is seen by the next, whatever their order."""

from dataclasses import replace

import numpy as np
from hypothesis import given, settings
from hypothesis import strategies as st

from profl_ray.models import SubModelPlan
from profl_ray.strategies.base import initial_state, task_state, task_states
from profl_ray.training import LocalTask, TaskState

from .kit import NETWORK, TRAINING, make_data, make_order, make_worker

PLAN = SubModelPlan(NETWORK, 2)
DATA = make_data()


def task(*trainable: str, statistics: tuple[str, ...] = (), refreshed: tuple[str, ...] = ()) -> LocalTask:
    return LocalTask(f"train {trainable}", PLAN, TRAINING, trainable, statistics, (), refreshed)


UNITS = tuple(f"units.{index}." for index in range(4))
TASKS = (
    task(
        "",
    ),
    task("units.0.", "head."),
    task("units.3.", statistics=("units.",)),
    task("units.2.", refreshed=UNITS),  # Of a dozen such groups each trains some units, and all move.
    task("units.1.", statistics=UNITS, refreshed=UNITS),
    task("head.", refreshed=("units.2.",)),
)


def state_of(index: int, version: int) -> TaskState:
    """Return the task with the weights that all tasks have in this version."""
    return task_state(TASKS[index], initial_state(PLAN, version), str(version))


def done(worker, index: int, version: int, what: str) -> bytes:
    state = state_of(index, version)
    if what == "evaluate":
        return repr(worker.evaluate(state, 0, 20, 10)).encode()
    if what == "measure":
        worker.measure(state)  # Its result depends on kernels' caches; what counts is what it leaves behind.
        return b""
    return worker.train(make_order(0), [state]).sums[0].total.tobytes()


FRESH: dict[tuple[int, int, str], bytes] = {}
WORK = st.tuples(st.integers(0, len(TASKS) - 1), st.integers(0, 1), st.sampled_from(["train", "evaluate"]))


@settings(max_examples=40, deadline=None)
@given(works=st.lists(WORK, min_size=2, max_size=7))
def test_a_shared_resident_lets_nothing_through(works) -> None:
    used = make_worker(data=DATA)
    for work in works:
        if work not in FRESH:
            FRESH[work] = done(make_worker(data=DATA), *work)
        assert done(used, *work) == FRESH[work], works
    assert len(used.residents.by_key) == 1


def test_measuring_one_task_leaves_no_trace_in_another() -> None:
    used = make_worker(data=DATA)
    done(used, 1, 0, "train")
    done(used, 2, 0, "measure")
    assert done(used, 3, 0, "train") == done(make_worker(data=DATA), 3, 0, "train")


def test_what_is_refreshed_goes_down_and_does_not_come_back() -> None:
    head = TASKS[5]
    names = set(head.down.names) - set(head.moving.names)
    assert names == {name for name in initial_state(PLAN, 0) if name.startswith("units.2.")}
    assert not set(head.down.names) & set(head.frozen.names)
    weights = initial_state(PLAN, 0)
    worker = make_worker(data=DATA)
    first = worker.train(make_order(0), [task_state(head, weights, "0")]).sums[0].total
    changed = weights | {name: value * 1.5 for name, value in weights.items() if name.startswith("units.2.")}
    # The frozen version is the same: what is refreshed has no part in it.
    second = worker.train(make_order(0), [task_state(head, changed, "0")]).sums[0].total
    assert first.shape == second.shape == (head.moving.size,) and not np.array_equal(first, second)
    alone = make_worker(data=DATA).train(make_order(0), [task_state(head, changed, "0")])
    np.testing.assert_array_equal(second, alone.sums[0].total)


def test_groups_of_units_share_what_goes_down() -> None:
    """A dozen tasks, each training some units of one backbone: one array down, one frozen, one resident."""
    groups = [task(name, refreshed=UNITS) for name in UNITS]
    states = task_states(groups, initial_state(PLAN, 0), "0")
    assert len({id(state.down) for state in states}) == len({id(state.frozen) for state in states}) == 1
    assert [state.task for state in states] == groups
    worker = make_worker(data=DATA)
    for state in states:
        alone = make_worker(data=DATA).train(make_order(0), [state])
        np.testing.assert_array_equal(worker.train(make_order(0), [state]).sums[0].total, alone.sums[0].total)
    assert len(worker.residents.by_key) == 1


def test_another_policy_for_batch_norm_is_another_resident() -> None:
    worker = make_worker(data=DATA)
    fixed = replace(TASKS[2], fixed_statistics=("units.0.",), moving_statistics=())
    for each in (TASKS[2], fixed):
        worker.train(make_order(0), [task_state(each, initial_state(PLAN, 0), "0")])
    assert len(worker.residents.by_key) == 2
