"""What is looked at on this machine alone: whether Ray starts here, as `run fleet.backend=ray` and `sweep`
start it, and what `ray job submit --working-dir .` would upload from here."""

import os
from pathlib import Path

from profl_ray.cluster.temporary import ray_folder
from profl_ray.doctor.findings import Finding, fail, ok, warn
from profl_ray.errors import NoRay
from profl_ray.launch.upload import upload_limit_bytes, upload_size
from profl_ray.sizes import MIB

RAY, UPLOAD = "Ray", "upload"


def starting_findings() -> list[Finding]:
    """Look at the folder for Ray's sockets and logs; nothing is started or made."""
    try:
        folder = ray_folder()
    except NoRay as error:
        return [fail(RAY, error.what, error.fix)]
    there = next(parent for parent in (folder, *folder.parents) if parent.exists())
    if not there.is_dir() or not os.access(there, os.W_OK | os.X_OK):
        return [fail(RAY, f"{folder} cannot be made: {there} is in the way", "RAY_TMPDIR=/tmp")]
    return [ok(RAY, f"a local Ray starts in {folder}")]


def upload_findings(folder: Path) -> list[Finding]:
    """Compare the size of `folder`, without what its .gitignore and .rayignore name, with Ray's limit."""
    try:
        total, entries = upload_size(folder)
    except ImportError as error:
        fix = "du -sh --exclude=.git . before ray job submit --working-dir ."
        return [warn(UPLOAD, f"not measured: this Ray keeps its helpers elsewhere ({error})", fix)]
    limit = upload_limit_bytes()
    command = "ray job submit --working-dir ."
    if total <= limit:
        return [
            ok(UPLOAD, f"{command} uploads {total / MIB:.1f} MiB, at most {limit / MIB:.0f} are accepted")
        ]
    largest = sorted(entries, key=lambda name: -entries[name])[:3]
    listed = ", ".join(f"{name} {entries[name] / MIB:.0f}" for name in largest)
    return [
        warn(
            UPLOAD,
            f"{command} fails here: at most {limit / MIB:.0f} MiB are accepted, and there are {listed} MiB",
            f"echo {largest[0]} >> .rayignore, in {folder}",
        )
    ]
