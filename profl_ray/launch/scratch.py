"""Private folders for sockets and logs: short paths, removed at the end or by a later start."""

import fcntl
import os
import shutil
import tempfile
from pathlib import Path

from profl_ray.cluster.temporary import short_root

_PREFIX = "profl-ray-"


class Scratch:
    """A folder of our own, locked as long as we live."""

    def __init__(self) -> None:
        root = short_root(f"/{_PREFIX}12345678/ray")
        _remove_abandoned(root)
        self.path = Path(tempfile.mkdtemp(prefix=_PREFIX, dir=root))
        # The kernel drops the lock when we die, however we die: that is how a later start knows.
        self._lock = (self.path / "lock").open("w")
        fcntl.flock(self._lock, fcntl.LOCK_EX)

    def remove(self) -> None:
        """Delete the folder."""
        shutil.rmtree(self.path, ignore_errors=True)
        self._lock.close()


def _remove_abandoned(root: Path) -> None:
    """Delete what was left by an owner that was killed with -9."""
    for lock in root.glob(f"{_PREFIX}*/lock"):
        try:
            if lock.parent.is_symlink() or lock.parent.stat().st_uid != os.getuid():
                continue
            with lock.open("a") as held:
                fcntl.flock(held, fcntl.LOCK_EX | fcntl.LOCK_NB)
                shutil.rmtree(lock.parent, ignore_errors=True)
        except OSError:  # its owner lives, or another start was quicker
            continue
