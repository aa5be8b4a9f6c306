"""The Ray fleet: a few client actors, each acting as many devices.

Weights go into the object store once a round, as flat arrays; each actor gets references. Groups of the
cohort go to whichever actor is free; results are put back into the order of the groups. An actor that dies is
started anew and its work is given out again: a group's result does not depend on who trains it.
"""

from collections import deque
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from typing import Any

import ray
from ray.exceptions import ActorDiedError, ActorUnavailableError, GetTimeoutError, OutOfMemoryError

from profl_ray.errors import UserError
from profl_ray.fleet.client_actor import RemoteClientActor, StateKey
from profl_ray.server.experiment import Experiment
from profl_ray.server.ports import evaluation_chunks
from profl_ray.training import EvaluationSum, GroupOrder, GroupResult, TaskState

LOST = (ActorDiedError, ActorUnavailableError, OutOfMemoryError)
"""What an actor's end looks like; everything else is an error of the work itself."""
MAX_LOSSES = 20
"""Actors that may be lost in one call before the fleet gives up."""
CALLS_AHEAD = 2
"""Calls that an actor holds, so that it never waits for the next."""


@dataclass(frozen=True)
class _Call:
    index: int
    method: str
    arguments: tuple[Any, ...]
    slot: int | None = None
    """The actor that must do it; None: whichever is free."""


class RayFleet:
    """Client actors of one trial."""

    def __init__(self, experiment: Experiment) -> None:
        config = experiment.config.fleet
        self.per_device = config.actor_per_device
        num_actors = experiment.config.federation.num_devices if self.per_device else config.num_actors
        check_resources(num_actors, config.cpus_per_actor, config.gpus_per_actor)
        self.options = {
            "num_cpus": config.cpus_per_actor,
            "num_gpus": config.gpus_per_actor,
            "max_restarts": 0,
            "runtime_env": {"env_vars": _actor_environment(config.gpus_per_actor)},
        }
        # One copy of the data per node, in shared memory.
        self.arguments = (
            ray.put(experiment.data),
            ray.put(experiment.split),
            experiment.worker_settings(),
        )
        self.frozen: dict[StateKey, ray.ObjectRef] = {}
        self.actors = [self._start() for _ in range(num_actors)]
        self._await_start(config.start_timeout_seconds)

    def train(self, groups: Sequence[GroupOrder], states: Sequence[TaskState]) -> list[GroupResult]:
        """Train every group and return the results in the order of the groups."""
        keys, arrays = self._publish(states)
        orders = _one_device_each(groups) if self.per_device else list(groups)
        calls = [
            _Call(i, "train", (order, keys, *arrays), order.devices[0].device if self.per_device else None)
            for i, order in enumerate(orders)
        ]
        results = self._play(calls)
        joined: dict[int, GroupResult] = {}
        for result in results:
            joined.setdefault(result.index, GroupResult(result.index)).absorb(result)
        return [joined[group.index] for group in groups]

    def measure(self, state: TaskState) -> int:
        """Return the measured peak, in bytes, of training the task at its full batch size."""
        keys, arrays = self._publish([state])
        return self._play([_Call(0, "measure", (keys, *arrays))])[0]

    def evaluate(self, state: TaskState, num_images: int, batch_size: int) -> EvaluationSum:
        """Evaluate the task's model on the first `num_images` test images."""
        keys, arrays = self._publish([state])
        chunks = evaluation_chunks(num_images, batch_size)
        calls = [
            _Call(i, "evaluate", (start, stop, batch_size, keys, *arrays))
            for i, (start, stop) in enumerate(chunks)
        ]
        return sum(self._play(calls), EvaluationSum(0, 0.0, 0))

    def close(self) -> None:
        """End the client actors."""
        for actor in self.actors:
            ray.kill(actor)
        self.actors = []

    def _start(self) -> Any:
        return RemoteClientActor.options(**self.options).remote(*self.arguments)

    def _await_start(self, timeout_seconds: float) -> None:
        try:
            ray.get([actor.ping.remote() for actor in self.actors], timeout=timeout_seconds)
        except (GetTimeoutError, *LOST) as error:
            self.close()
            raise UserError(
                f"client actors did not start within fleet.start_timeout_seconds={timeout_seconds:g}: are "
                "there free CPUs and memory for all of them (fleet.num_actors, fleet.cpus_per_actor)? "
                f"({type(error).__name__})"
            ) from None

    def _publish(self, states: Sequence[TaskState]) -> tuple[list[StateKey], list[ray.ObjectRef]]:
        """Put each state's moving part into the object store, and its frozen part where it is new."""
        keys = [(state.task, state.frozen_version) for state in states]
        versions = {version for _, version in keys}
        self.frozen = {key: ref for key, ref in self.frozen.items() if key[1] in versions}
        arrays = []
        for key, state in zip(keys, states, strict=True):
            if key not in self.frozen:
                self.frozen[key] = ray.put(state.frozen)
            arrays += [ray.put(state.moving), self.frozen[key]]
        return keys, arrays

    def _play(self, calls: Sequence[_Call]) -> list[Any]:
        """Give the calls to free actors and return their results in the order of the calls."""
        results: dict[int, Any] = {}
        waiting = deque(calls)
        running: dict[ray.ObjectRef, tuple[_Call, int]] = {}
        load = [0] * len(self.actors)
        num_losses = 0
        while waiting or running:
            for call in list(waiting):
                slot = min(range(len(load)), key=load.__getitem__) if call.slot is None else call.slot
                if load[slot] >= CALLS_AHEAD:
                    break
                waiting.popleft()
                method: Callable[..., ray.ObjectRef] = getattr(self.actors[slot], call.method).remote
                running[method(*call.arguments)] = (call, slot)
                load[slot] += 1
            (ready,), _ = ray.wait(list(running), num_returns=1)
            call, slot = running.pop(ready)
            load[slot] -= 1
            try:
                results[call.index] = ray.get(ready)
            except LOST as error:
                num_losses += 1
                if num_losses > MAX_LOSSES:
                    raise RuntimeError(
                        f"{num_losses} client actors were lost in one call: {error}"
                    ) from error
                waiting.appendleft(call)
                self._replace(slot, running, waiting, load)
        return [results[call.index] for call in calls]

    def _replace(
        self,
        slot: int,
        running: dict[ray.ObjectRef, tuple[_Call, int]],
        waiting: deque[_Call],
        load: list[int],
    ) -> None:
        """Start a new actor in the slot of a lost one; its other calls go back to the queue."""
        for ref, (call, of_slot) in list(running.items()):
            if of_slot == slot:
                del running[ref]
                waiting.appendleft(call)
        load[slot] = 0
        self.actors[slot] = self._start()


def check_resources(
    num_actors: int, cpus_per_actor: float, gpus_per_actor: float, driver_cpus: float = 0.0
) -> None:
    """Raise UserError, with the numbers, if the cluster can never hold the client actors and their driver."""
    total = ray.cluster_resources()
    for kind, each in (("CPU", cpus_per_actor), ("GPU", gpus_per_actor)):
        own = driver_cpus if kind == "CPU" else 0.0
        needed, present = num_actors * each + own, total.get(kind, 0.0)
        if needed > present + 1e-6:  # 50 x 0.14 is a little more than 7
            raise UserError(
                f"the cluster is too small: {num_actors} client actors x {each:g} {kind}"
                f"{f' and the driver {own:g}' if own else ''} = {needed:g} {kind}"
                f", the cluster has {present:g} (mend: fleet.num_actors, fleet.{kind.lower()}s_per_actor)"
            )


def _actor_environment(gpus_per_actor: float) -> dict[str, str]:
    environment = {"OMP_NUM_THREADS": "1", "MKL_NUM_THREADS": "1"}
    # Since Ray 2.56 an actor that asked for no GPU sees all of them.
    return environment | ({} if gpus_per_actor else {"CUDA_VISIBLE_DEVICES": ""})


def _one_device_each(groups: Sequence[GroupOrder]) -> list[GroupOrder]:
    """Split groups into single devices, in order: their sums are put together again in that order."""
    return [replace(group, devices=(device,)) for group in groups for device in group.devices]
