"""The nodes that a run may use: those of the cluster, or this machine alone; and what our own job holds."""

import json
from typing import Any

from profl_ray.cluster.placing import Node

_KEY, _NAMESPACE = "_ray_internal_job_info_", b"job"
_SUBMISSION = "job_submission_id"


def alive_nodes() -> list[Node]:
    """Return the nodes of the cluster that this process is connected to."""
    import ray

    home, held = held_by_own_job()
    alive = [node for node in ray.nodes() if node["Alive"]]
    return [Node(node["Resources"], held if node["NodeID"] == home else {}) for node in alive]


def this_machine(num_cpus: int | None = None) -> Node:
    """Return what a Ray that is started here offers; `num_cpus`: what it is told to, None: what it finds."""
    from ray._private.resource_and_label_spec import ResourceAndLabelSpec

    found = ResourceAndLabelSpec(num_cpus=num_cpus).resolve(is_head=True, node_ip_address="127.0.0.1")
    return Node({"CPU": float(found.num_cpus or 0), "GPU": float(found.num_gpus or 0)})


def held_by_own_job() -> tuple[str, dict[str, float]]:
    """Return the id of the node that our job's process runs on and what it holds there.

    `ray job submit --entrypoint-num-cpus` says how much. Ray keeps that with the job's other facts; there is
    no public call that a connected process could ask. Nothing where we are no job, or a job that holds
    nothing. Ray must be connected.
    """
    info = _job_info()
    amounts = {"CPU": info.get("entrypoint_num_cpus"), "GPU": info.get("entrypoint_num_gpus")}
    return info.get("driver_node_id") or "", {kind: float(n) for kind, n in amounts.items() if n}


def _job_info() -> dict[str, Any]:
    from ray._private.worker import global_worker

    worker: Any = global_worker
    if not worker.connected:  # But by Ray's client protocol, as no job's process is.
        return {}
    job = worker.core_worker.get_job_config().metadata.get(_SUBMISSION)
    kept = worker.gcs_client.internal_kv_get(f"{_KEY}{job}".encode(), _NAMESPACE) if job else None
    info: dict[str, Any] = json.loads(kept) if kept else {}
    return info
