"""How much `ray job submit --working-dir` would upload, by Ray's own reading of the ignore files."""

import logging
import os
from contextlib import suppress
from pathlib import Path

ENOUGH = 4
"""Counting ends at so many times the limit: a home folder may hold millions of files."""


class _EnoughError(Exception):
    """Ends the counting."""


def upload_limit_bytes() -> int:
    """Return what Ray's job server takes."""
    from ray._private import ray_constants

    return int(ray_constants.DASHBOARD_CLIENT_MAX_SIZE)


def upload_size(folder: Path) -> tuple[int, dict[str, int]]:
    """Return the bytes that would be uploaded, and those of each entry of `folder`; ImportError if this Ray
    keeps its helpers elsewhere.

    Files are stored in the archive as they are, not compressed. Counting ends at `ENOUGH` times the limit.
    """
    from ray._private import ray_constants
    from ray._private.runtime_env.packaging import _dir_travel, _get_excludes

    excludes = _get_excludes(folder, ray_constants.get_runtime_env_default_excludes())
    sizes: dict[str, int] = {}
    most = ENOUGH * upload_limit_bytes()
    total = 0

    def count(path: Path) -> None:
        nonlocal total
        if path.is_file():
            size = path.stat().st_size
            entry = path.relative_to(folder).parts[0]
            sizes[entry] = sizes.get(entry, 0) + size
            total += size
            if total > most:
                raise _EnoughError

    quiet = logging.getLogger(f"{__name__}.ray")
    quiet.disabled = True  # It names the ignore files, and the end of the counting as a fault.
    honoured = os.environ.get("RAY_RUNTIME_ENV_IGNORE_GITIGNORE", "0") != "1"
    with suppress(_EnoughError):
        _dir_travel(folder, [excludes], count, include_gitignore=honoured, logger=quiet)
    return total, sizes


def is_uploaded(folder: Path, wanted: Path) -> bool:
    """Say whether a file in `folder` would be uploaded with it; True if this Ray does not tell."""
    try:
        from ray._private import ray_constants
        from ray._private.runtime_env.packaging import _dir_travel, _get_excludes
    except ImportError:
        return True

    def look(path: Path) -> None:
        if path == wanted:
            raise _EnoughError

    excludes = _get_excludes(folder, ray_constants.get_runtime_env_default_excludes())
    quiet = logging.getLogger(f"{__name__}.ray")
    quiet.disabled = True
    honoured = os.environ.get("RAY_RUNTIME_ENV_IGNORE_GITIGNORE", "0") != "1"
    try:
        _dir_travel(folder, [excludes], look, include_gitignore=honoured, logger=quiet)
    except _EnoughError:
        return True
    return False
