"""A client actor: a worker behind Ray. It acts as many devices, one after another, each under its quota."""

import os

import numpy as np
import ray

from profl_ray.cluster.environment import prepare_environment
from profl_ray.federation import DataSplit, Examples, Part
from profl_ray.plugins import load_all
from profl_ray.training import (
    DeviceWorker,
    EvaluationSum,
    GroupOrder,
    GroupResult,
    LocalTask,
    TaskState,
    WorkerSettings,
)

StateKey = tuple[LocalTask, str, float]
"""A task, the version of its frozen part and its density: what a state's two arrays belong to."""


class ClientActor:
    """Arrays come as arguments of their own: Ray resolves those references, and copies nothing."""

    def __init__(self, data: Examples, split: DataSplit, settings: WorkerSettings) -> None:
        prepare_environment()
        load_all()  # So what cannot be imported here is told as the actor starts.
        self.worker = DeviceWorker(data, split, settings)

    def ping(self) -> int:
        """Answer with the process id, once the worker stands."""
        return os.getpid()

    def train(self, order: GroupOrder, keys: list[StateKey], *arrays: np.ndarray) -> GroupResult:
        """Train a group."""
        return self.worker.train(order, _states(keys, arrays))

    def measure(self, keys: list[StateKey], *arrays: np.ndarray) -> int:
        """Measure the peak of a task, in bytes."""
        return self.worker.measure(_states(keys, arrays)[0])

    def evaluate(
        self,
        part: Part,
        start: int,
        stop: int,
        batch_size: int,
        keys: list[StateKey],
        *arrays: np.ndarray,
    ) -> EvaluationSum:
        """Evaluate on a range of a part of the examples."""
        return self.worker.evaluate(_states(keys, arrays)[0], start, stop, batch_size, part)


def _states(keys: list[StateKey], arrays: tuple[np.ndarray, ...]) -> list[TaskState]:
    """Put keys and arrays (down, frozen, down, frozen, ...) together again."""
    pairs = zip(arrays[0::2], arrays[1::2], strict=True)
    return [
        TaskState(task, down, frozen, version, density)
        for (task, version, density), (down, frozen) in zip(keys, pairs, strict=True)
    ]


RemoteClientActor = ray.remote(ClientActor)
