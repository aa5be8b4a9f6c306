"""Whether a Ray of our own can start on this machine, as `run fleet.backend=ray` and `sweep` start it."""

import os

from profl_ray.cluster.ray_session import NoRay, ray_folder
from profl_ray.doctor.findings import Finding, fail, ok

CHECK = "Ray"


def starting_findings() -> list[Finding]:
    """Look at the folder for Ray's sockets and logs; nothing is started or made."""
    try:
        folder = ray_folder()
    except NoRay as error:
        return [fail(CHECK, error.what, error.fix)]
    there = next(parent for parent in (folder, *folder.parents) if parent.exists())
    if not there.is_dir() or not os.access(there, os.W_OK | os.X_OK):
        return [fail(CHECK, f"{folder} cannot be made: {there} is in the way", "RAY_TMPDIR=/tmp")]
    return [ok(CHECK, f"one of our own starts in {folder}")]
