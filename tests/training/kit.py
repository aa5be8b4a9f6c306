"""A tiny federation of random images, and tasks on a tiny network."""

import math
from dataclasses import dataclass, replace

import numpy as np

from profl_ray.federation import DataSplit, image_examples
from profl_ray.memory import Demand
from profl_ray.models import Network, SubModelPlan
from profl_ray.strategies.base import initial_state, task_state
from profl_ray.training import (
    SGD,
    Device,
    DeviceOrder,
    DeviceWorker,
    GroupOrder,
    Layout,
    LocalSGD,
    LocalTask,
    TaskState,
    WorkerSettings,
)

NETWORK = Network("cnn", 0.25, (1, 8, 8), 4, (2, 2))
TRAINING = LocalSGD(local_epochs=2, batch_size=8, optimizer=SGD(0.05, momentum=0.9, weight_decay=5e-4))
TASK = LocalTask(
    "grow 2",
    SubModelPlan(NETWORK, 2),
    TRAINING,
    trainable=("units.2.", "units.3.", "head."),
    moving_statistics=("units.",),
)
AMPLE = Demand(0.5, 0.5)
SETTINGS = WorkerSettings(seed=1, augment=False, enforce_quotas=True, overhead_mib=64.0, accelerator="cpu")


@dataclass(frozen=True)
class Counting(LocalSGD):
    """Tells how many examples of each class there are, keeps the number of its rounds."""

    num_classes: int = 4

    def tells(self, task):
        return Layout.of({"counts": (self.num_classes,)})

    def keeps(self, task):
        return Layout.of({"rounds": (1,)})

    def work(self, model, task, device):
        outcome = super().work(model, task, device)
        rounds = device.kept.get("rounds", np.zeros(1, np.float32)) + 1
        counts = np.bincount(device.labels, minlength=self.num_classes).astype(np.float32)
        figures = {"times_drawn": float(rounds[0])}
        return replace(outcome, told={"counts": counts}, kept={"rounds": rounds}, figures=figures)


def make_data(num_train=60, num_test=37, seed=0, read_only=False):
    generator = np.random.default_rng(seed)
    arrays = [
        generator.integers(0, 256, (num_train, 1, 8, 8), dtype=np.uint8),
        np.arange(num_train) % 4,
        generator.integers(0, 256, (num_test, 1, 8, 8), dtype=np.uint8),
        np.arange(num_test) % 4,
    ]
    data = image_examples(*arrays, 4, "random")
    if read_only:  # as they come out of Ray's object store
        for name in ("train_inputs", "train_labels", "test_inputs", "test_labels"):
            getattr(data, name).flags.writeable = False
    return data


def make_split(*sizes):
    stops = np.cumsum(sizes)
    return DataSplit(
        tuple(np.arange(stop - size, stop, dtype=np.int64) for size, stop in zip(sizes, stops, strict=True))
    )


def make_worker(sizes=(20, 17, 9), data=None, **settings):
    return DeviceWorker(data or make_data(), make_split(*sizes), replace(SETTINGS, **settings))


def make_state(task=TASK, seed=0, version="0") -> TaskState:
    return task_state(task, initial_state(task.model, seed), version)


def train_locally(model, task, inputs, labels, augmented=None, seed=1, stream=(), step_round=1, number=0):
    """Do the task's work as one device with these examples; return the loss that it reports."""
    device = Device(number, inputs, labels, seed, stream, step_round, augmented=augmented)
    return task.procedure.work(model, task, device).loss


def make_order(*devices, quota_mib=math.inf, demand=AMPLE, index=0, step_round=1):
    """Return an order for a group; the devices' quotas are `quota_mib`, or by device where that is a dict."""
    quotas = quota_mib if isinstance(quota_mib, dict) else dict.fromkeys(devices, quota_mib)
    orders = tuple(DeviceOrder(device, 0, quotas[device], demand) for device in devices)
    return GroupOrder(index, (0, step_round), step_round, orders)
