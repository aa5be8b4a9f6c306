"""Outputs of frozen prefixes: whether they are kept, shared, lost or spoilt, the results are the same."""

import os
from dataclasses import dataclass, replace

import numpy as np
import pytest
import torch
from torch import nn

from profl_ray.federation import Examples, image_examples
from profl_ray.models import FAMILIES, Convolutional, DistillationPlan, Network, SubModelPlan
from profl_ray.models.unit import Unit
from profl_ray.training.features import STALE_SECONDS, FeatureStore
from profl_ray.training.prefix import run_units
from profl_ray.training.worker import DeviceWorker

from .kit import NETWORK, TASK, make_data, make_order, make_split, make_state, make_worker

FIXED = ("units.0.", "units.1.")
EVAL = replace(TASK, fixed_statistics=FIXED, moving_statistics=("units.2.", "units.3."))


CPU = torch.device("cpu")


def kept(root):
    return sorted(root.rglob("*.npy"))


def size_mib(root):
    return sum(path.stat().st_size for path in kept(root)) / 2**20


def results(worker, state=None):
    """What two devices send back in two rounds, and an evaluation."""
    state = state or make_state(EVAL)
    trained = [worker.train(make_order(0, 1, step_round=number), [state]) for number in (1, 2)]
    assert all(report.failure is None for result in trained for report in result.reports)
    return [result.sums[0].total for result in trained], worker.evaluate(state, 0, 37, 10)


def assert_same(one, other):
    for array, its in zip(one[0], other[0], strict=True):
        np.testing.assert_array_equal(array, its)
    assert one[1] == other[1]


@pytest.mark.parametrize("shape", [(1, 8, 8), (3, 16, 16)])
def test_one_channel_or_one_pixel_is_no_exception(tmp_path, shape):
    """There "channels last" has several strides, by which PyTorch chooses kernels that round otherwise."""
    network = Network("resnet18", 1 / 64, shape, 4, (2, 2, 2, 2))
    assert network.block_shape(1).out_channels == 1
    plan = SubModelPlan(network, 2, (3, 4))
    task = replace(
        TASK,
        model=plan,
        trainable=(*plan.unit_names(2), "proxies.", "head."),
        moving_statistics=plan.unit_names(2),
        fixed_statistics=plan.unit_names(1),
    )
    pixels = np.random.default_rng(0).integers(0, 256, (60, *shape), dtype=np.uint8)
    labels = np.arange(60) % 4
    data = image_examples(pixels, labels, pixels[:37], labels[:37], 4, "random")
    without = results(make_worker(data=data), make_state(task))
    store = {"features_root": tmp_path, "features_mib": 100.0, "data": data}
    assert_same(results(make_worker(**store), make_state(task)), without)
    assert_same(results(make_worker(**store), make_state(task)), without)


def test_a_network_that_is_cut_otherwise_shares_its_first_units(tmp_path):
    store = make_worker(features_root=tmp_path, features_mib=100.0).features
    other = replace(NETWORK, partition=(1, 1, 2))
    task = replace(EVAL, model=SubModelPlan(other, 3))
    assert task.prefix_units == 2
    assert store._folders_of(make_state(task), CPU) == store._folders_of(make_state(EVAL), CPU)


def test_what_a_task_can_keep():
    assert TASK.prefix_units == 0, "batch statistics: the prefix is another function in every batch"
    assert EVAL.prefix_units == 2
    whole = replace(EVAL, fixed_statistics=("units.",))
    assert whole.prefix_units == 4
    assert replace(whole, model=DistillationPlan(NETWORK, 2)).prefix_units == 2, "what both share"
    assert replace(EVAL, fixed_statistics=("units.1.",)).prefix_units == 0, "not from the first unit on"
    assert replace(whole, model=SubModelPlan(NETWORK, 1, (2,))).prefix_units == 2


def test_kept_features_change_nothing(tmp_path):
    without = results(make_worker())
    store = {"features_root": tmp_path, "features_mib": 100.0}
    worker = make_worker(**store)
    assert_same(results(worker), without)
    files = kept(tmp_path)
    assert len(files) == 3, "two devices and the test images"
    before = [path.stat().st_mtime_ns for path in files]
    assert_same(results(make_worker(**store)), without)
    assert [path.stat().st_mtime_ns for path in files] == before and kept(tmp_path) == files, "only read"


def test_the_prefix_is_run_once(tmp_path, monkeypatch):
    calls = []
    monkeypatch.setattr(
        "profl_ray.training.features.run_units",
        lambda *arguments: calls.append(arguments[2:]) or run_units(*arguments),
    )
    results(make_worker(features_root=tmp_path, features_mib=100.0))
    assert len(calls) == 3
    results(make_worker(features_root=tmp_path, features_mib=100.0))
    assert len(calls) == 3
    results(make_worker())
    assert len(calls) == 3 + 5, "without a store once a device and round, and for the evaluation"


def test_a_longer_prefix_continues_from_a_shorter_one(tmp_path, monkeypatch):
    """Growing keeps blocks that it has frozen: the next step's prefix is the last one and a block."""
    calls = []
    monkeypatch.setattr(
        "profl_ray.training.features.run_units",
        lambda *arguments: calls.append(arguments[2:]) or run_units(*arguments),
    )
    store = {"features_root": tmp_path, "features_mib": 100.0}
    without, long_without = results(make_worker()), results(make_worker(), make_state(LONGER))
    calls.clear()
    assert_same(results(make_worker(**store)), without)
    assert calls == [(0, 2)] * 3
    assert_same(results(make_worker(**store), make_state(LONGER)), long_without)
    assert calls == [(0, 2)] * 3 + [(2, 3)] * 3
    # Back to the shorter one: it is still there.
    assert_same(results(make_worker(**store)), without)
    assert len(calls) == 6 and len(list(tmp_path.glob("*/*"))) == 2


def test_prefixes_are_known_by_their_units_alone(tmp_path):
    """Another task with the same front, such as Map's, shares what is kept."""
    store = {"features_root": tmp_path, "features_mib": 100.0}
    worker = make_worker(**store)
    folders = worker.features._folders_of(make_state(EVAL), CPU)
    assert len(folders) == 2 and len(set(folders)) == 2
    map_task = replace(EVAL, step="map", model=DistillationPlan(NETWORK, 2))
    assert map_task.prefix_units == 2
    assert worker.features._folders_of(make_state(map_task), CPU) == folders


@pytest.mark.parametrize("spoil", ["cut", "short", "empty", "other", "gone"])
def test_a_spoilt_file_is_computed_again(tmp_path, spoil):
    without = results(make_worker())
    store = {"features_root": tmp_path, "features_mib": 100.0}
    results(make_worker(**store))
    for path in kept(tmp_path):
        if spoil == "cut":
            path.write_bytes(path.read_bytes()[:100])
        elif spoil == "short":
            path.write_bytes(path.read_bytes()[:-4])
        elif spoil == "empty":
            path.write_bytes(b"")
        elif spoil == "other":
            np.save(path, np.zeros((3, 2, 2, 1), np.float32))
        else:
            path.unlink()
    assert_same(results(make_worker(**store)), without)


def test_other_weights_have_other_features(tmp_path):
    store = {"features_root": tmp_path, "features_mib": 100.0}
    results(make_worker(**store))
    other = make_state(EVAL, seed=1, version="1")
    assert_same(results(make_worker(**store), other), results(make_worker(), other))
    assert len(list(tmp_path.glob("*/*"))) == 2


def test_the_limit_holds_and_the_oldest_prefix_goes(tmp_path):
    one = make_worker(features_root=tmp_path, features_mib=100.0)
    results(one)
    first = next(tmp_path.glob("*/*"))
    worker = make_worker(features_root=tmp_path, features_mib=1.2 * size_mib(tmp_path))
    state = make_state(EVAL, seed=1, version="1")
    assert_same(results(worker, state), results(make_worker(), state))
    assert not first.exists() and len(kept(tmp_path)) == 3
    tight = make_worker(features_root=tmp_path / "tight", features_mib=1e-4)
    assert_same(results(tight, state), results(make_worker(), state))
    assert kept(tmp_path / "tight") == []


LONGER = replace(
    EVAL,
    fixed_statistics=(*FIXED, "units.2."),
    moving_statistics=("units.3.",),
    trainable=("units.3.", "head."),
)


def test_what_a_longer_prefix_came_from_makes_room_for_it_file_by_file(tmp_path, monkeypatch):
    """A full store still serves: no run loses what others have yet to continue from."""
    results(make_worker(features_root=tmp_path / "long", features_mib=100.0), make_state(LONGER))
    results(make_worker(features_root=tmp_path / "full", features_mib=100.0))
    limit_mib = max(size_mib(tmp_path / "full"), size_mib(tmp_path / "long"))
    calls = []
    monkeypatch.setattr(
        "profl_ray.training.features.run_units",
        lambda *arguments: calls.append(arguments[2:]) or run_units(*arguments),
    )
    tight = make_worker(features_root=tmp_path / "full", features_mib=limit_mib)
    made = results(tight, make_state(LONGER))
    assert calls == [(2, 3)] * 3, "each from what was kept"
    assert_same(made, results(make_worker(), make_state(LONGER)))
    assert size_mib(tmp_path / "full") <= limit_mib


def test_nothing_is_removed_for_what_has_no_room_anyway(tmp_path):
    results(make_worker(features_root=tmp_path, features_mib=100.0))
    before = kept(tmp_path)
    results(make_worker(features_root=tmp_path, features_mib=1e-4), make_state(EVAL, seed=1, version="1"))
    assert kept(tmp_path) == before


def test_machines_with_one_root_leave_one_another_alone(tmp_path, monkeypatch):
    """The limit is a machine's; what is no longer used goes, whichever process finds it."""
    results(make_worker(features_root=tmp_path, features_mib=100.0))
    (theirs,), limit_mib = tmp_path.glob("*/*"), 1.01 * size_mib(tmp_path)
    monkeypatch.setattr("profl_ray.training.features._boot", lambda: "another")
    results(make_worker(features_root=tmp_path, features_mib=limit_mib))
    (ours,) = tmp_path.glob("another/*")
    assert len(kept(theirs)) == len(kept(ours)) == 3
    long_ago = theirs.stat().st_mtime - 2 * STALE_SECONDS
    os.utime(theirs, (long_ago, long_ago))
    results(
        make_worker(features_root=tmp_path, features_mib=limit_mib), make_state(EVAL, seed=1, version="1")
    )
    assert not theirs.exists() and len(kept(tmp_path)) == 3


def test_another_processor_has_other_features(tmp_path, monkeypatch):
    store = {"features_root": tmp_path, "features_mib": 100.0}
    results(make_worker(**store))
    monkeypatch.setattr("profl_ray.training.features.machine_type", lambda: "another")
    results(make_worker(**store))
    assert len(list(tmp_path.glob("*/*"))) == 2


def test_a_prefix_that_is_read_counts_as_used(tmp_path):
    store = {"features_root": tmp_path, "features_mib": 100.0}
    results(make_worker(**store))
    (folder,) = tmp_path.glob("*/*")
    os.utime(folder, (1, 1))
    results(make_worker(**store))
    assert folder.stat().st_mtime > 1


def test_a_file_that_cannot_be_written_leaves_nothing(tmp_path, monkeypatch):
    def fail(file, array):
        file.write(b"half")
        raise OSError("no space left on device")

    monkeypatch.setattr("profl_ray.training.features.np.save", fail)
    assert_same(results(make_worker(features_root=tmp_path, features_mib=100.0)), results(make_worker()))
    assert not [path for path in tmp_path.rglob("*") if path.is_file()]


def test_other_code_has_other_features(tmp_path, monkeypatch):
    store = {"features_root": tmp_path, "features_mib": 100.0}
    results(make_worker(**store))
    monkeypatch.setattr("profl_ray.training.features.source_digest", lambda *rooms: "other code")
    results(make_worker(**store))
    assert len(list(tmp_path.glob("*/*"))) == 2


def test_a_folder_that_cannot_be_written_is_done_without(tmp_path):
    (tmp_path / "file").write_text("in the way")
    worker = make_worker(features_root=tmp_path / "file", features_mib=100.0)
    assert_same(results(worker), results(make_worker()))


def test_augmented_images_are_not_kept(tmp_path):
    worker = make_worker(features_root=tmp_path, features_mib=100.0, augment=True)
    results(worker)
    assert kept(tmp_path) == []


def test_mapped_features_lie_as_convolutions_like_them(tmp_path):
    store = FeatureStore(tmp_path, 100.0, "")
    data = make_data(num_train=20)
    worker = DeviceWorker(data, make_split(20), make_worker().settings)
    state = make_state(EVAL)
    model = worker.residents.hold(state).model
    images = data.inputs.tensor(data.train_inputs)
    made = store.features(state, model, data.train_inputs, images)
    mapped = store.features(state, model, data.train_inputs, images)
    assert torch.equal(made, mapped)
    assert mapped.is_contiguous(memory_format=torch.channels_last)


@dataclass(frozen=True)
class Vectors:
    """Examples that are vectors already."""

    def tensor(self, stored):
        return torch.from_numpy(stored.copy())


@dataclass(frozen=True)
class VectorFamily(Convolutional):
    """Units of one linear layer on [N, C]; with `wrapped`, what they pass on is a tuple."""

    wrapped: bool = False
    stages: tuple[int, ...] = (1, 1)

    def units(self, input_shape, width, rate):
        layers = [nn.Linear(6, 5), nn.Linear(5, 5)]
        return [
            Unit(
                Wrapped(layer) if self.wrapped else layer,
                in_channels=layer.in_features,
                out_channels=layer.out_features,
                stride=1,
            )
            for layer in layers
        ]

    def pool(self, features):
        return features[0] if self.wrapped else features


class Wrapped(nn.Module):
    def __init__(self, layer):
        super().__init__()
        self.layer = layer

    def forward(self, features):
        return (self.layer(features[0] if isinstance(features, tuple) else features),)


@pytest.mark.parametrize("wrapped", [False, True], ids=["a tensor", "a tuple"])
def test_features_that_are_no_maps_are_kept_if_they_are_one_tensor(tmp_path, monkeypatch, wrapped):
    name = f"vectors {wrapped}"
    monkeypatch.setitem(FAMILIES, name, VectorFamily(wrapped))
    network = Network(name, 1.0, (6,), 4, (1, 1))
    task = replace(
        TASK,
        model=SubModelPlan(network, 2),
        trainable=("units.1.", "head."),
        moving_statistics=(),
        fixed_statistics=("units.0.",),
    )
    draw = np.random.default_rng(0)
    parts = [(draw.normal(size=(n, 6)).astype(np.float32), np.arange(n) % 4) for n in (60, 37)]
    data = Examples(*parts[0], *parts[1], 4, Vectors())
    state = make_state(task)
    expected = results(make_worker(data=data), state)
    worker = make_worker(data=data, features_root=tmp_path, features_mib=10.0)
    assert_same(results(worker, state), expected)
    files = kept(tmp_path)
    assert len(files) == (0 if wrapped else 3)
    assert sorted(np.load(file).shape for file in files) == ([] if wrapped else [(17, 5), (20, 5), (37, 5)])
    assert_same(results(make_worker(data=data, features_root=tmp_path, features_mib=10.0), state), expected)
