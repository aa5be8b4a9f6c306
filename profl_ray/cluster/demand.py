"""What Ray itself says that our job waits for, and how its nodes are used.

Ray counts an actor, or a placement group, as a demand from when it is asked for until its CPUs and GPUs are
reserved: one that has them and is starting is none, however long it takes.
"""

from collections import Counter
from collections.abc import Callable
from typing import Any

from profl_ray.cluster.nodes import held_by_own_job
from profl_ray.cluster.placing import UNITS, Bundle, units
from profl_ray.cluster.refusal import amounts
from profl_ray.cluster.resources import run_bundles
from profl_ray.cluster.waiting import Use, shortage
from profl_ray.config import ExperimentConfig

DRIVER, CLIENT = "DriverActor", "ClientActor"
"""The names of a run's actors with Ray: those of their classes."""


def run_shortage(config: ExperimentConfig) -> str:
    """Return, in a line, what the run's actors wait for; empty if for nothing, or if Ray does not say."""
    from ray.exceptions import RayError

    if (worker := _worker()) is None:
        return ""
    driver, *clients = run_bundles(config)
    try:
        state = _cluster_state(worker)
        pending = _pending_actors()
    except RayError:
        return ""
    demands = {
        _key(d.request.resources_bundle, _told_parts): d.count for d in state.pending_resource_requests
    }
    if driver and pending[DRIVER] and demands.get(_key(driver)):
        return shortage([driver], [], _nodes(state))
    number = min(pending[CLIENT], demands.get(_key(clients[0]), 0)) if clients and clients[0] else 0
    return shortage(clients[:number], [driver, *clients[number:]], _nodes(state))


def trial_shortage() -> str:
    """Return, in a line, what a sweep's trials wait for; empty if one can begin, or none is asked for."""
    import ray
    from ray.exceptions import RayError
    from ray.util import placement_group_table

    if (worker := _worker()) is None:
        return ""
    job = ray.get_runtime_context().get_job_id()
    try:
        groups = placement_group_table()
        state = _cluster_state(worker)
    except RayError:
        return ""
    # The id of a placement group ends with that of the job that asks for it.
    own = [group for name, group in groups.items() if name.endswith(job) and group["state"] != "REMOVED"]
    if not own or any(group["state"] != "PENDING" for group in own):
        return ""
    asked = [[*group["bundles"].values()] for group in own]
    return shortage(min(asked, key=lambda bundles: sum(amounts(bundles).values())), [], _nodes(state))


def _worker() -> Any:
    """Return Ray's own connection; None by its client protocol, which does not report demands."""
    from ray._private.worker import global_worker

    return global_worker if global_worker.connected else None


def _cluster_state(worker: Any) -> Any:
    from ray.autoscaler.v2.sdk import get_cluster_resource_state

    return get_cluster_resource_state(worker.gcs_client)


def _pending_actors() -> Counter[str]:
    """Return how many actors of our job are not there yet, by the names of their classes."""
    import ray
    from ray._private import state

    job = ray.JobID(bytes.fromhex(ray.get_runtime_context().get_job_id()))
    found = state.actors(job_id=job, actor_state_name="PENDING_CREATION")
    return Counter(actor["ActorClassName"] for actor in found.values())


def _nodes(state: Any) -> list[Use]:
    home, held = held_by_own_job()
    return [
        Use(
            dict(node.total_resources),
            dict(node.available_resources),
            held if node.node_id.hex() == home else {},
        )
        for node in state.node_states
        if node.total_resources
    ]


def _key(bundle: Bundle, parts: Callable[[float], int] = units) -> tuple[tuple[str, int], ...]:
    """Return what a bundle asks for in parts, as Ray keeps it."""
    return tuple(sorted((kind, parts(amount)) for kind, amount in bundle.items() if amount))


def _told_parts(amount: float) -> int:
    """Return an amount that Ray tells, a number of parts already, but as a float perhaps a little less."""
    return round(amount * UNITS)
