"""Asks every node of a cluster a question, with a deadline: who does not answer is named."""

import socket
import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from types import ModuleType
from typing import TYPE_CHECKING, Any

from profl_ray.cluster.nodes import held_by_own_job, this_machine
from profl_ray.cluster.ray_session import ray_session

if TYPE_CHECKING:
    from ray import ObjectRef
    from ray.exceptions import RayError


@dataclass(frozen=True)
class Answer:
    """What one node answered."""

    name: str
    resources: Mapping[str, float]
    value: Any = None
    silence: str = ""
    """Why there is no value; empty if there is one."""
    held: Mapping[str, float] = field(default_factory=dict)
    """What our own job's process holds of the resources, for good."""
    arrived: float = 0.0
    """This machine's clock when the value came, in seconds since 1970."""


@dataclass(frozen=True)
class _Asked:
    name: str
    resources: Mapping[str, float]
    held: Mapping[str, float]


def ask_cluster(
    module: ModuleType, question: Callable[[dict[str, Any]], Any], order: Mapping[str, Any], seconds: float
) -> list[Answer]:
    """Connect to the cluster that we run on, unless we are, and `ask_every_node`; NoRay if we cannot."""
    with ray_session():
        return ask_every_node(module, question, order, seconds)


def ask_every_node(
    module: ModuleType, question: Callable[[dict[str, Any]], Any], order: Mapping[str, Any], seconds: float
) -> list[Answer]:
    """Return each living node's answer to `question` of `module`, sorted by the nodes' names.

    `order` with the node's own `name` is the argument. The question is sent by value: a node may have another
    version of `module`, or none. It takes no CPU, so that it is answered while others work.
    """
    import ray
    from ray.util.scheduling_strategies import NodeAffinitySchedulingStrategy

    nodes = [node for node in ray.nodes() if node["Alive"]]
    home, held = held_by_own_job()
    with _by_value(module):
        task = ray.remote(num_cpus=0, max_retries=0, max_calls=1)(question)
        asked = {}
        for node, name in zip(nodes, _names(nodes), strict=True):
            strategy = NodeAffinitySchedulingStrategy(node["NodeID"], soft=False)
            ref = task.options(scheduling_strategy=strategy).remote({**order, "name": name})
            asked[ref] = _Asked(name, node["Resources"], held if node["NodeID"] == home else {})
        answers = _gather(asked, seconds)
    return sorted(answers, key=lambda answer: answer.name)


def ask_this_machine(question: Callable[[dict[str, Any]], Any], order: Mapping[str, Any]) -> list[Answer]:
    """Return this machine's answer, named after it; no Ray is started."""
    name = socket.gethostname()
    value = question({**order, "name": name})
    return [Answer(name, this_machine().resources, value, arrived=time.time())]


def _gather(asked: "dict[ObjectRef, _Asked]", seconds: float) -> list[Answer]:
    import ray
    from ray.exceptions import RayError

    answers, waiting, deadline = [], dict(asked), time.monotonic() + seconds
    while waiting:
        ready, _ = ray.wait([*waiting], num_returns=1, timeout=max(0.0, deadline - time.monotonic()))
        if not ready:
            break
        arrived, node = time.time(), waiting.pop(ready[0])
        try:
            value = ray.get(ready[0])
        except RayError as error:
            answers.append(Answer(node.name, node.resources, silence=_why(error), held=node.held))
        else:
            answers.append(Answer(node.name, node.resources, value, arrived=arrived, held=node.held))
    for ref, node in waiting.items():
        ray.cancel(ref, force=True)
        silence = f"no answer within {seconds:g} s"
        answers.append(Answer(node.name, node.resources, silence=silence, held=node.held))
    return answers


def _why(error: "RayError") -> str:
    from ray.exceptions import RayTaskError

    cause = error.cause if isinstance(error, RayTaskError) else error
    text = " ".join(str(cause).split())
    return f"{type(cause).__name__}: {text[:200]}"


def _names(nodes: list[dict[str, Any]]) -> list[str]:
    """Return the nodes' addresses; with the beginning of their ids where several share one."""
    addresses = [node["NodeManagerAddress"] for node in nodes]
    return [
        address if addresses.count(address) == 1 else f"{address}-{node['NodeID'][:6]}"
        for address, node in zip(addresses, nodes, strict=True)
    ]


@contextmanager
def _by_value(module: ModuleType) -> Iterator[None]:
    from ray import cloudpickle

    cloudpickle.register_pickle_by_value(module)
    try:
        yield
    finally:
        cloudpickle.unregister_pickle_by_value(module)
