"""What the Ray job that we run in holds for its own process (`ray job submit --entrypoint-num-cpus`).

Ray keeps it with the job's other facts; there is no public call that a connected process could ask.
"""

import json
from typing import Any

_KEY, _NAMESPACE = "_ray_internal_job_info_", b"job"
_SUBMISSION = "job_submission_id"


def held_by_own_job() -> tuple[str, dict[str, float]]:
    """Return the id of the node that our job's process runs on and what it holds there.

    Nothing where we are no job, or a job that holds nothing. Ray must be connected.
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
