import json
import os
import signal
import subprocess
import sys
import threading
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np
import pytest
import torch

from profl_ray.federation import Pixels
from profl_ray.memory import Demand
from profl_ray.models import Network, SubModelPlan
from profl_ray.training import (
    SGD,
    Calibration,
    DeviceOrder,
    DeviceWorker,
    EvaluationSum,
    GroupResult,
    LocalSGD,
    LocalTask,
)
from profl_ray.training.prefix import run_units
from profl_ray.training.resident import RESIDENT_MODELS

from .kit import (
    AMPLE,
    NETWORK,
    SETTINGS,
    TASK,
    TRAINING,
    make_data,
    make_order,
    make_split,
    make_state,
    make_worker,
)


def train(worker, *devices, state=None, **order) -> GroupResult:
    return worker.train(make_order(*devices, **order), [state or make_state()])


def assert_same(first: GroupResult, second: GroupResult):
    assert first.sums.keys() == second.sums.keys()
    for index, total in first.sums.items():
        np.testing.assert_array_equal(total.total, second.sums[index].total)
        assert total.weight == second.sums[index].weight
    assert [replace(r, seconds=0) for r in first.reports] == [replace(r, seconds=0) for r in second.reports]


# What is sent back.


def test_a_group_is_the_sum_of_its_devices_in_their_order():
    together = train(make_worker(), 0, 1, 2)
    apart = GroupResult(0)
    for device in (0, 1, 2):
        apart.absorb(train(make_worker(), device))
    assert_same(together, apart)
    assert together.sums[0].weight == 20 + 17 + 9
    assert [report.device for report in together.reports] == [0, 1, 2]


def test_absorbing_does_not_change_what_was_absorbed():
    first, second = train(make_worker(), 0), train(make_worker(), 1)
    before = first.sums[0].total.copy()
    total = GroupResult(0)
    total.absorb(first)
    total.absorb(second)
    np.testing.assert_array_equal(first.sums[0].total, before)


def test_an_update_is_weighted_by_images():
    result = train(make_worker(), 2)
    state = make_state(replace(TASK, procedure=LocalSGD(1, 8, SGD(1e-9))))
    still = make_worker().train(make_order(2), [state])
    parameters = [not name.endswith(("running_mean", "running_var")) for name in TASK.moving.names]
    unpacked = TASK.moving.unpack(still.sums[0].total / np.float32(9))
    start = TASK.moving.unpack(state.down)
    for name, moved in zip(TASK.moving.names, parameters, strict=True):
        if moved:
            np.testing.assert_allclose(unpacked[name], start[name], atol=1e-6)
    assert result.reports[0].num_examples == result.sums[0].weight == 9


def test_devices_do_not_depend_on_what_the_worker_did_before():
    fresh = train(make_worker(), 1)
    used = make_worker()
    train(used, 0, 2, state=make_state(seed=5, version="5"))
    used.evaluate(make_state(seed=6, version="6"), 0, 10, 5)
    used.measure(make_state(seed=7, version="7"))
    assert_same(fresh, train(used, 1))


def test_read_only_arrays_are_enough():
    """Ray hands out arrays in shared memory that cannot be written."""
    worker, state = make_worker(data=make_data(read_only=True)), make_state()
    state.down.flags.writeable = state.frozen.flags.writeable = False
    expected = train(make_worker(), 0)
    assert_same(expected, train(worker, 0, state=state))
    assert worker.evaluate(state, 0, 37, 10) == make_worker().evaluate(make_state(), 0, 37, 10)


def test_another_frozen_version_is_loaded_and_the_same_one_is_kept():
    worker = make_worker()
    train(worker, 0)
    other = make_state(seed=9, version="1")
    assert_same(train(make_worker(), 0, state=other), train(worker, 0, state=other))
    ignored = replace(make_state(seed=3), down=other.down, frozen_version="1")
    assert_same(train(make_worker(), 0, state=other), train(worker, 0, state=ignored))


def test_statistics_that_no_device_sends_back_do_not_drift_from_device_to_device():
    """Batch norm that is frozen but uses batch statistics: training moves what belongs to the frozen part."""
    task = replace(TASK, moving_statistics=())
    assert task.drifting
    state = make_state(task)
    worker = make_worker()
    expected = worker.evaluate(state, 0, 37, 10)
    train(worker, 0, 1, state=state)
    assert worker.evaluate(state, 0, 37, 10) == expected


def test_calibration_travels_like_any_task():
    task = replace(TASK, procedure=Calibration(8), trainable=())
    first = train(make_worker(), 0, 1, state=make_state(task))
    again = train(make_worker(), 0, 1, state=make_state(task, seed=0))
    assert_same(first, again)
    assert first.sums[0].total.shape == (task.moving.size,)


# Who fails, fails alone.


@pytest.mark.parametrize("learning_rate", [1e30, float("nan")])
def test_an_update_with_nan_is_dropped_and_named(learning_rate):
    procedure = TRAINING.with_learning_rate(learning_rate)
    state = make_state(replace(TASK, procedure=procedure))
    result = train(make_worker(), 1, state=state)
    assert not result.sums
    (report,) = result.reports
    assert report.failure == "device 1 sent NaN or infinity in grow 2"
    assert report.loss is None and report.num_examples == 17


def test_a_nan_update_leaves_no_trace_in_the_others():
    """Only device 1 has an image that overflows."""
    data = make_data()
    worker, honest = make_worker(data=data), make_worker(data=data)

    @dataclass(frozen=True)
    class Overflowing(Pixels):
        def tensor(self, stored):
            return super().tensor(stored) * (float("nan") if len(stored) == 17 else 1)

    worker.data = replace(data, inputs=Overflowing(data.inputs.mean, data.inputs.std))
    result, expected = train(worker, 0, 1, 2), train(honest, 0, 2)
    assert [bool(report.failure) for report in result.reports] == [False, True, False]
    np.testing.assert_array_equal(result.sums[0].total, expected.sums[0].total)
    assert result.sums[0].weight == expected.sums[0].weight == 29


@pytest.mark.parametrize(
    ("demand", "quota_mib", "words"),
    [
        (Demand(2.0, 1.0), 1.5, "need 2.00 MiB, quota 1.50 MiB (predicted, before training)"),
        (
            Demand(1.0, 9.0),
            1.5,
            "need 9.00 MiB, quota 1.50 MiB (measured, beyond the estimator's stated error)",
        ),
    ],
)
def test_a_device_beyond_its_quota_is_refused_before_it_trains(demand, quota_mib, words, monkeypatch):
    monkeypatch.setattr(LocalSGD, "work", lambda *_: pytest.fail("it was trained"))
    result = train(make_worker(), 2, quota_mib=quota_mib, demand=demand)
    assert result.reports[0].failure == f"device 2 exceeded its memory quota in grow 2: {words}"
    assert not result.sums


def test_only_the_device_with_the_small_quota_is_refused():
    quotas = {0: 4.0, 1: 0.25, 2: 4.0}
    result = train(make_worker(), 0, 1, 2, quota_mib=quotas, demand=Demand(0.5, 0.5))
    expected = train(make_worker(), 0, 2)
    assert [bool(report.failure) for report in result.reports] == [False, True, False]
    np.testing.assert_array_equal(result.sums[0].total, expected.sums[0].total)


def test_quotas_that_are_not_enforced_refuse_no_device():
    result = train(make_worker(enforce_quotas=False), 0, quota_mib=0.1, demand=Demand(9.0, 9.0))
    assert result.reports[0].failure is None
    assert_same(result, train(make_worker(), 0))


WIDE = Network("cnn", 8.0, (1, 8, 8), 4, (2, 2))
HOSTILE = LocalTask("grow 1", SubModelPlan(WIDE, 1), LocalSGD(1, 1000, SGD(0.05)), ("",), ("units.",))


def test_the_cap_stops_a_device_alone_and_the_worker_continues():
    """Device 0 needs some 100 MiB for its batch; its demand says 1 MiB, so that only the cap is left."""
    data, sizes = make_data(num_train=1020), (1000, 20)
    state = make_state(HOSTILE)
    worker = make_worker(sizes, data, overhead_mib=2.0)
    order = make_order(0, quota_mib=4.0, demand=Demand(1.0, 1.0))
    order = replace(order, devices=(*order.devices, DeviceOrder(1, 0, float("inf"), AMPLE)))
    result = worker.train(order, [state])
    stopped, trained = result.reports
    assert stopped.failure is not None and stopped.loss is None
    for words in ("device 0", "grow 1", "quota 4.00 MiB", "stopped by the cap"):
        assert words in stopped.failure
    assert trained.failure is None
    assert_same(
        GroupResult(0, result.sums, [trained]),
        train(make_worker(sizes, data), 1, state=make_state(HOSTILE)),
    )


def test_whoever_is_stopped_by_the_cap_leaves_the_thread(monkeypatch):
    """oneDNN may have failed in it, and would for all devices after that one (ComputeThread)."""
    threads, work = [], LocalSGD.work

    def fail_for_the_second(self, model, task, device):
        threads.append(threading.current_thread())
        if len(threads) == 2:
            raise RuntimeError("could not create a primitive")
        return work(self, model, task, device)

    monkeypatch.setattr(LocalSGD, "work", fail_for_the_second)
    results = []

    def body():
        results.append(train(make_worker((20, 17, 9, 8)), 0, 1, 2, 3, quota_mib=4.0))

    # In a thread of its own: that of the tests may be spoilt by another one, and should not be by this.
    own = threading.Thread(target=body)
    own.start()
    own.join()
    assert [report.failure is None for report in results[0].reports] == [True, False, True, True]
    assert threads[:2] == [own, own] and threads[2] is threads[3] and threads[2] is not own
    monkeypatch.undo()
    expected = train(make_worker((20, 17, 9, 8)), 0, 2, 3)
    np.testing.assert_array_equal(results[0].sums[0].total, expected.sums[0].total)


def test_a_kernel_that_got_no_memory_costs_no_other_device_anything():
    """With oneDNN itself, in a process of its own: what is left of its heap decides what fails."""
    environment = {key: value for key, value in os.environ.items() if key != "OMP_NUM_THREADS"}
    for piece in (65536, 60000, 50000, 33000, 100000):
        command = [sys.executable, Path(__file__).with_name("full_memory.py"), str(piece)]
        made = subprocess.run(command, env=environment, capture_output=True, text=True)
        if made.returncode != -signal.SIGSEGV:  # A library that did not look (docs/memory.md).
            break
    assert made.returncode == 0, made.stderr
    seen = json.loads(made.stdout)
    assert seen["first_error"] == "could not create a primitive"
    assert seen["failed"] == [0, 3]
    assert seen["evaluation"] == seen["evaluation_alone"]


def test_the_cap_is_lifted_afterwards():
    import resource

    before = resource.getrlimit(resource.RLIMIT_DATA)
    worker = make_worker((1000, 20), make_data(num_train=1020), overhead_mib=2.0)
    result = train(worker, 0, state=make_state(HOSTILE), quota_mib=4.0, demand=Demand(1.0, 1.0))
    assert result.reports[0].failure
    assert resource.getrlimit(resource.RLIMIT_DATA) == before


@pytest.mark.parametrize(
    "error",
    [MemoryError(), torch.OutOfMemoryError("CUDA out of memory"), RuntimeError("can't allocate memory")],
)
def test_every_allocators_error_is_the_devices(error, monkeypatch):
    def fail(*_):
        raise error

    monkeypatch.setattr(LocalSGD, "work", fail)
    result = train(make_worker(), 0, quota_mib=4.0)
    assert "stopped by the cap" in result.reports[0].failure


def test_without_a_cap_it_is_the_machines_memory(monkeypatch):
    def fail(*_):
        raise MemoryError("nothing left")

    monkeypatch.setattr(LocalSGD, "work", fail)
    with pytest.raises(MemoryError, match="nothing left"):
        train(make_worker(enforce_quotas=False), 0, quota_mib=4.0)


def test_other_errors_are_not_swallowed(monkeypatch):
    def fail(*_):
        raise RuntimeError("a bug")

    monkeypatch.setattr(LocalSGD, "work", fail)
    with pytest.raises(RuntimeError, match="a bug"):
        train(make_worker(), 0)


# Resident models, measuring, evaluating.


def of_width(number):
    """Return the task on a network of its own."""
    network = replace(NETWORK, width=0.25 * (number + 1))
    return replace(TASK, model=SubModelPlan(network, 2))


def test_old_residents_make_room():
    worker = make_worker()
    for number in range(RESIDENT_MODELS + 3):
        worker.evaluate(make_state(of_width(number)), 0, 4, 4)
    widths = [model.network.width for model, _ in worker.residents.by_key]
    assert widths == [0.25 * (number + 1) for number in range(3, RESIDENT_MODELS + 3)]
    again = make_state(of_width(0))
    assert_same(train(worker, 0, state=again), train(make_worker(), 0, state=again))


def test_measuring_leaves_no_trace():
    worker, state = make_worker(), make_state()
    evaluation = worker.evaluate(state, 0, 37, 10)
    torch_state = torch.get_rng_state()
    peak = worker.measure(state)
    assert peak > state.down.nbytes + state.frozen.nbytes
    assert torch.equal(torch.get_rng_state(), torch_state)
    assert worker.evaluate(state, 0, 37, 10) == evaluation
    assert_same(train(worker, 0, state=state), train(make_worker(), 0))


def test_the_measured_peak_does_not_depend_on_what_was_done_before():
    used, state = make_worker(), make_state()
    train(used, 0, 1)
    assert used.measure(state) == make_worker().measure(state)


@pytest.mark.parametrize("size", [10, 20, 37])
def test_evaluation_in_chunks_equals_evaluation_at_once(size):
    worker, state = make_worker(), make_state()
    whole = worker.evaluate(state, 0, 37, 5)
    total = EvaluationSum.total(
        worker.evaluate(state, start, min(start + size, 37), 5) for start in range(0, 37, size)
    )
    assert total.num_correct.tolist() == whole.num_correct.tolist()
    assert total.num_seen.tolist() == np.bincount(worker.data.test_labels[:37]).tolist()
    assert total.num_examples == 37
    assert total.loss_sum == pytest.approx(whole.loss_sum, rel=1e-12)


def test_evaluation_leaves_the_model_ready_to_train():
    worker = make_worker()
    fixed = replace(TASK, fixed_statistics=("units.0.",))
    state = make_state(fixed)
    worker.evaluate(state, 0, 10, 5)
    (resident,) = worker.residents.by_key.values()
    model = resident.model
    assert model.training and model.units["1"].training and not model.units["0"].training


def test_settings_are_small_and_travel():
    import pickle

    assert pickle.loads(pickle.dumps((SETTINGS, TASK, AMPLE))) == (SETTINGS, TASK, AMPLE)


def test_the_validation_part_is_evaluated_as_test_examples_are():
    data, part = make_data(), np.arange(3, 60, 3)
    split = replace(make_split(20, 17), validation=part)
    as_test = replace(data, test_inputs=data.train_inputs[part], test_labels=data.train_labels[part])
    evaluated = DeviceWorker(data, split, SETTINGS).evaluate(make_state(), 2, 15, 10, "validation")
    assert evaluated == DeviceWorker(as_test, split, SETTINGS).evaluate(make_state(), 2, 15, 10)
    assert evaluated.num_examples == 13


@dataclass(frozen=True)
class OwnTest(LocalSGD):
    """Notes the device's own test."""

    def work(self, model, task, device):
        inputs, labels = device.test() if device.test else (torch.empty(0), torch.empty(0))
        own = float(inputs.double().sum()), float(labels.sum())
        return replace(super().work(model, task, device), figures={"inputs": own[0], "labels": own[1]})


@pytest.mark.parametrize("kept", [False, True], ids=["images", "features"])
def test_a_device_has_its_own_test_as_its_model_takes_it(tmp_path, kept):
    """What it is given is what it would be given of these examples for training."""
    task = replace(TASK, procedure=OwnTest(**vars(TRAINING)))
    if kept:
        fixed = ("units.0.", "units.1.")
        task = replace(task, fixed_statistics=fixed, moving_statistics=("units.2.", "units.3."))
    data, own = make_data(), np.arange(40, 50)
    split = replace(make_split(20, 17), own_tests=[own, np.empty(0, np.int64)])
    settings = replace(SETTINGS, features_root=tmp_path, features_mib=10.0)
    worker = DeviceWorker(data, split, settings)
    first, second = worker.train(make_order(0, 1), [make_state(task)]).reports
    assert (first.failure, second.failure) == (None, None)
    inputs = data.inputs.tensor(data.train_inputs[own])
    if kept:
        inputs = run_units(worker.residents.hold(make_state(task)).model, inputs, 0, 2)
    expected = {"inputs": float(inputs.double().sum()), "labels": float(data.train_labels[own].sum())}
    assert first.figures == pytest.approx(expected)
    assert second.figures == {"inputs": 0.0, "labels": 0.0}
