"""A results folder that lies elsewhere than it did: its store's artifact addresses are made right.

MLflow keeps absolute addresses of artifacts. In the embedded store of a storage root, and in no other, those
that lead out of a folder that was moved or copied are rewritten to lead into the folder of today.
"""

import logging
import sqlite3
from collections.abc import Callable
from contextlib import closing
from pathlib import Path
from urllib.parse import unquote, urlsplit

from profl_ray.config.addresses import DEFAULT_FILE, sqlite_path

ARTIFACTS = "mlartifacts"
"""In `storage.root`: the artifacts of the runs in its own store."""
_LOCK_SECONDS = 30.0
_log = logging.getLogger(__name__)


def is_own_store(uri: str, storage_root: Path) -> bool:
    """Whether the store at `uri` is the storage root's own file, however one gets there."""
    path = sqlite_path(uri)
    return path is not None and path.resolve() == (storage_root.absolute() / DEFAULT_FILE).resolve()


def adopt_artifacts(uri: str, storage_root: Path, say: Callable[[str], object] = _log.warning) -> None:
    """Let the artifact addresses of the root's own store lead into the root; nothing for any other store.

    Runs whose files stayed behind keep their addresses. Says in a line what was done. What cannot be written,
    as when the folder may only be read, stays as it is.
    """
    path = sqlite_path(uri)
    if path is None or not path.is_file() or not is_own_store(uri, storage_root):
        return
    here = storage_root.absolute() / ARTIFACTS
    try:
        with closing(sqlite3.connect(path, timeout=_LOCK_SECONDS)) as connection, connection:
            for location in _foreign(connection, here):
                num_runs = _adopt(connection, location, here)
                say(
                    f"{storage_root} was moved or copied: new artifacts go to {here}, not to "
                    f"{_local(location)}, and those of {num_runs} earlier runs are read there"
                )
    except sqlite3.Error as error:
        # Read-only, or not a store of MLflow's: the one that uses the store says what is wrong with it.
        _log.debug("artifact addresses in %s were left as they are (%s)", path, error)


def _foreign(connection: sqlite3.Connection, here: Path) -> list[str]:
    """Return the experiments' artifact locations that were ours in another storage root."""
    rows = connection.execute("SELECT DISTINCT artifact_location FROM experiments").fetchall()
    places = {str(location): _local(str(location)) for (location,) in rows}
    return [
        location
        for location, place in places.items()
        if place is not None
        and place.name == ARTIFACTS
        and not _same(place, here)
        and _was_left(place.parent)
    ]


def _was_left(root: Path) -> bool:
    """Whether a storage root is gone, or has a store of its own: it was moved, or copied."""
    return not root.exists() or (root / DEFAULT_FILE).exists()


def _adopt(connection: sqlite3.Connection, location: str, here: Path) -> int:
    """Rewrite one location; return how many runs' addresses followed it."""
    old, new = _local(location), here.as_uri()
    assert old is not None
    rows = connection.execute(
        "SELECT run_uuid, artifact_uri FROM runs WHERE substr(artifact_uri, 1, ?) = ?",
        (len(location) + 1, f"{location}/"),
    ).fetchall()
    # A copy has its own files; a run of which only the old place has files is read there.
    followed = [run for run, _ in rows if (here / run).exists() or not (old / run).exists()]
    for run in followed:
        connection.execute(
            "UPDATE runs SET artifact_uri = ? || substr(artifact_uri, ?) WHERE run_uuid = ?",
            (new, len(location) + 1, run),
        )
    connection.execute(
        "UPDATE experiments SET artifact_location = ? WHERE artifact_location = ?", (new, location)
    )
    return len(followed)


def _local(location: str) -> Path | None:
    """Return the folder of a local artifact location; None for any other."""
    if location.startswith("file://"):
        parts = urlsplit(location)
        return Path(unquote(parts.path)) if parts.netloc in ("", "localhost") else None
    return Path(location) if location.startswith("/") else None


def _same(one: Path, other: Path) -> bool:
    """Whether both lead to the same folder, through links too."""
    if one.exists() and other.exists():
        return one.samefile(other)
    return one.resolve() == other.resolve()
