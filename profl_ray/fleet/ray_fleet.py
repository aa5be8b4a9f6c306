"""The Ray fleet: a few client actors, each acting as many devices.

Weights go into the object store once a round, as flat arrays; each actor gets references. Groups of the
cohort go to any actor of the crew that is free; their sums are put together in the order of the groups.
"""

from collections.abc import Iterator, Sequence
from dataclasses import replace
from itertools import groupby
from typing import Any

import ray
from ray.exceptions import ObjectStoreFullError, OutOfDiskError

from profl_ray.cluster.nodes import alive_nodes
from profl_ray.cluster.resources import check_cluster
from profl_ray.errors import UserError
from profl_ray.federation import Part
from profl_ray.fleet.client_actor import RemoteClientActor, StateKey
from profl_ray.fleet.crew import Call, Crew
from profl_ray.server.experiment import Experiment
from profl_ray.server.ports import evaluation_chunks
from profl_ray.sizes import MIB
from profl_ray.training import EvaluationSum, GroupOrder, GroupResult, Layout, TaskState

KEPT_HEAP = {"MALLOC_MMAP_THRESHOLD_": str(32 * MIB), "MALLOC_TRIM_THRESHOLD_": str(64 * MIB)}
"""For the C library: keep a batch's freed tensors for the next, from the first device on. Given back to the
system and taken anew, they cost page faults in every batch. These are the most that the library comes to by
itself; more would weaken the cap (docs/memory.md)."""


class RayFleet:
    """Client actors of one trial."""

    def __init__(self, experiment: Experiment) -> None:
        config = experiment.config.fleet
        self.per_device = config.actor_per_device
        num_actors = experiment.config.federation.num_devices if self.per_device else config.num_actors
        check_cluster(experiment.config, alive_nodes())
        self.options = {
            "num_cpus": config.cpus_per_actor,
            "num_gpus": config.gpus_per_actor,
            "max_restarts": 0,
            "runtime_env": {"env_vars": _actor_environment(config.gpus_per_actor)},
        }
        # One copy of the data per node, in shared memory.
        self.arguments = (
            _put(experiment.data),
            _put(experiment.split),
            experiment.worker_settings(),
        )
        self.frozen: dict[tuple[Layout, str], ray.ObjectRef] = {}
        """Frozen parts by layout and version: tasks that agree in both have one between them."""
        self.crew = Crew(self._start, num_actors, config.start_timeout_seconds, config.deadline_seconds)

    def train(self, groups: Sequence[GroupOrder], states: Sequence[TaskState]) -> Iterator[GroupResult]:
        """Train every group and yield the results in the order of the groups."""
        keys, arrays = self._publish(states)
        orders = _one_device_each(groups) if self.per_device else list(groups)
        calls = [
            Call(i, "train", (order, keys, *arrays), order.devices[0].device if self.per_device else None)
            for i, order in enumerate(orders)
        ]
        results = self.crew.stream(calls)
        return _joined(results) if self.per_device else results

    def measure(self, state: TaskState) -> int:
        """Return the measured peak, in bytes, of training the task at its full batch size."""
        keys, arrays = self._publish([state])
        return self.crew.play([Call(0, "measure", (keys, *arrays))])[0]

    def evaluate(
        self, state: TaskState, num_examples: int, batch_size: int, part: Part = "test"
    ) -> EvaluationSum:
        """Evaluate the task's model on the first `num_examples` examples of a part."""
        keys, arrays = self._publish([state])
        chunks = evaluation_chunks(num_examples, batch_size)
        calls = [
            Call(i, "evaluate", (part, start, stop, batch_size, keys, *arrays))
            for i, (start, stop) in enumerate(chunks)
        ]
        return EvaluationSum.total(self.crew.play(calls))

    def close(self) -> None:
        """End the client actors."""
        self.crew.close()

    def _start(self) -> Any:
        return RemoteClientActor.options(**self.options).remote(*self.arguments)

    def _publish(self, states: Sequence[TaskState]) -> tuple[list[StateKey], list[ray.ObjectRef]]:
        """Put what goes down into the object store: one array once, and a frozen part where it is new."""
        keys = [(state.task, state.frozen_version, state.density) for state in states]
        versions = {state.frozen_version for state in states}
        self.frozen = {key: ref for key, ref in self.frozen.items() if key[1] in versions}
        down: dict[int, ray.ObjectRef] = {}
        arrays = []
        for state in states:
            of_frozen = (state.task.frozen, state.frozen_version)
            if of_frozen not in self.frozen:
                self.frozen[of_frozen] = _put(state.frozen)
            if id(state.down) not in down:
                down[id(state.down)] = _put(state.down)
            arrays += [down[id(state.down)], self.frozen[of_frozen]]
        return keys, arrays


def _put(value: Any) -> ray.ObjectRef:
    """Put a value into the object store; UserError if there is no room, on the disk either."""
    try:
        return ray.put(value)
    except (ObjectStoreFullError, OutOfDiskError) as error:
        raise UserError(
            "Ray's object store is full, and so is the disk that it spills to (fix: ray start "
            f"--object-store-memory, or free space in Ray's temporary folder): {type(error).__name__}"
        ) from error


def _actor_environment(gpus_per_actor: float) -> dict[str, str]:
    environment = {"OMP_NUM_THREADS": "1", "MKL_NUM_THREADS": "1"} | KEPT_HEAP
    # Since Ray 2.56 an actor that asked for no GPU sees all of them.
    return environment | ({} if gpus_per_actor else {"CUDA_VISIBLE_DEVICES": ""})


def _one_device_each(groups: Sequence[GroupOrder]) -> list[GroupOrder]:
    """Split groups into single devices, in order: their sums are put together again in that order."""
    return [replace(group, devices=(device,)) for group in groups for device in group.devices]


def _joined(results: Iterator[GroupResult]) -> Iterator[GroupResult]:
    """Put the results of single devices together into those of their groups."""
    for index, pieces in groupby(results, key=lambda piece: piece.index):
        joined = GroupResult(index)
        for piece in pieces:
            joined.absorb(piece)
        yield joined
