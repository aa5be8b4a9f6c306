"""Folders for Ray's sockets and logs: short ones, also where a scheduler makes TMPDIR long."""

import os
import tempfile
from collections.abc import MutableMapping
from pathlib import Path

from profl_ray.errors import NoRay

SOCKET_BYTES = 107
"""How long the path of a socket may be."""
RAYS_SOCKET = "/session_2026-11-27_20-04-19_022424_4194304/sockets/plasma_store"
"""The longest that Ray makes below its folder."""
PYTHONS_SOCKET = "/pymp-12345678/listener-12345678"
"""The longest that Python makes below TMPDIR for Ray's dashboard."""
SHORT = "/tmp"


def holds(folder: str | Path, socket: str) -> bool:
    """Whether a socket with such a name below `folder` has a path that is not too long."""
    return len(os.fsencode(folder)) + len(socket) <= SOCKET_BYTES


def short_temporary(environment: MutableMapping[str, str], short: str = SHORT) -> None:
    """Put `short` in the place of a TMPDIR that is too long."""
    if not holds(environment.get("TMPDIR", ""), PYTHONS_SOCKET):
        environment["TMPDIR"] = short


def short_root(below: str) -> Path:
    """Return the temporary folder, or a short one where Ray's folder would have too long a path in it.

    below: where Ray's folder is to lie in it, with its first slash.
    """
    root = tempfile.gettempdir()
    return Path(root if holds(root + below, RAYS_SOCKET) else SHORT)


def ray_folder() -> Path:
    """Return the folder in which a Ray of our own keeps its sockets and logs; NoRay if its path is too long.

    It is Ray's own, `ray` below RAY_TMPDIR or TMPDIR, or below /tmp where TMPDIR is too long.
    """
    named = os.environ.get("RAY_TMPDIR")
    if not named:
        return short_root("/ray") / "ray"
    folder = Path(named) / "ray"
    if not holds(folder, RAYS_SOCKET):
        allowed = SOCKET_BYTES - len(f"/ray{RAYS_SOCKET}")
        raise NoRay(
            f"RAY_TMPDIR={named} is too long for Ray's sockets (allowed: {allowed} bytes)",
            f"RAY_TMPDIR={SHORT}",
        )
    return folder
