"""What a connection to Ray brings to every worker: the sources of what comes from outside the package."""

from typing import Any

from profl_ray.errors import UserError
from profl_ray.plugins import Carried, carried, install

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
