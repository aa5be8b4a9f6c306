"""What a connection to Ray brings to every worker: the sources of what comes from outside the package."""

from contextlib import suppress
from typing import Any

from profl_ray.errors import UserError
from profl_ray.plugins import Carried, carried, install, load_all

PATIENCE_SECONDS = 60.0

_sent: Carried = ()


def worker_environment() -> dict[str, Any] | None:
    """Return the runtime environment of a job: every worker knows our plug-ins before it unpickles anything.

    None where there are none: an environment of its own costs a worker some time.
    """
    global _sent
    _sent = luggage = carried()
    if not luggage:
        return None

    def unpack() -> None:
        install(luggage)

    return {"worker_process_setup_hook": unpack}


def check_unpacked() -> None:
    """Raise UserError for the first node that cannot import what we carry, as where it lacks a library.

    Nothing has been begun then. A node that does not answer in time is not waited for.
    """
    if not any(plugin.modules for _, plugin in _sent):
        return
    import ray
    from ray.exceptions import GetTimeoutError, RayError
    from ray.util.scheduling_strategies import NodeAffinitySchedulingStrategy

    task = ray.remote(num_cpus=0, max_retries=0)(_import_all)
    answers = {}
    for node in ray.nodes():
        if node["Alive"]:
            there = NodeAffinitySchedulingStrategy(node["NodeID"], soft=False)
            answers[node["NodeManagerHostname"]] = task.options(scheduling_strategy=there).remote()
    for name, answer in answers.items():
        with suppress(GetTimeoutError, RayError):  # What is wrong with a node is told by who needs it.
            if problem := ray.get(answer, timeout=PATIENCE_SECONDS):
                raise UserError(f"on node {name}: {problem}")


def _import_all() -> str:
    """Return why this process cannot import what was carried to it; empty: it can."""
    try:
        load_all()
    except UserError as error:
        return str(error)
    return ""


def check_carried() -> None:
    """Raise UserError where Ray was connected before what comes from outside was known."""
    missing = [name for name, plugin in carried() if (name, plugin) not in _sent and plugin.modules]
    if missing and not _in_worker():
        raise UserError(
            f"{missing[0]}: Ray was connected before this was loaded, and its workers do not know it: "
            "load the experiment first"
        )


def _in_worker() -> bool:
    import ray

    return bool(ray._private.worker.global_worker.mode == ray.WORKER_MODE)
