"""Rounds on disk: one folder a path, in it an entry for every round and, sparsely, states.

What cannot be read counts as not there: it is trained again.
"""

import json
import os
import shutil
from dataclasses import dataclass
from hashlib import sha256
from pathlib import Path
from typing import Any

import numpy as np
from filelock import FileLock, Timeout

from profl_ray.errors import UserError
from profl_ray.server.checkpoint import Snapshot, read_checkpoint, write_checkpoint
from profl_ray.server.durable import write_whole
from profl_ray.sizes import MIB


@dataclass(frozen=True)
class Entry:
    """What a round gave, independent of any freeze rule."""

    record: dict[str, Any]
    ledger: dict[str, Any]
    scalars: np.ndarray | None
    """The followed scalars after the round, float32 [S]; None if no device trained, or none are followed."""


class RoundStore:
    """The shared rounds of one experiment's base; `limit_mib` bounds the states of all."""

    def __init__(self, root: Path, base: str, limit_mib: float) -> None:
        self.root = root
        self.folder = root / base
        self.limit_mib = limit_mib
        self._held: tuple[str, FileLock] | None = None

    # Entries.

    def read(self, path: str, step_round: int) -> Entry | None:
        """Return the entry of a round of the step, if it is there and whole."""
        try:
            head, _, scalars = self._entry(path, step_round).read_bytes().partition(b"\n")
            values = json.loads(head)
            body = json.dumps(values["body"], sort_keys=True).encode()
            if sha256(body + scalars).hexdigest() != values["sha256"]:
                return None
            record, ledger, trained = (values["body"][key] for key in ("record", "ledger", "trained"))
            return Entry(record, ledger, np.frombuffer(scalars, np.float32) if trained else None)
        except (OSError, ValueError, KeyError, TypeError):
            return None

    def write(self, path: str, step_round: int, entry: Entry) -> None:
        """Keep the entry of a round."""
        scalars = b"" if entry.scalars is None else entry.scalars.astype(np.float32).tobytes()
        body = {"record": entry.record, "ledger": entry.ledger, "trained": entry.scalars is not None}
        text = json.dumps(body, sort_keys=True)
        digest = sha256(text.encode() + scalars).hexdigest()
        head = json.dumps({"sha256": digest, "body": body}).encode()
        (self.folder / path).mkdir(parents=True, exist_ok=True)
        # Not synced: what a power cut spoils fails its checksum and is trained again.
        write_whole(self._entry(path, step_round), head + b"\n" + scalars)

    # States.

    def read_state(self, path: str, name: str) -> Snapshot | None:
        """Return a kept state, if it is there and whole."""
        folder = self.folder / path / name
        if not folder.exists():
            return None
        try:
            snapshot = read_checkpoint(folder, path)
            os.utime(folder)  # The states that were not used for longest are removed first.
        except (UserError, OSError):
            return None
        return snapshot

    def write_state(self, path: str, name: str, snapshot: Snapshot) -> None:
        """Keep a state, and remove old ones beyond the limit."""
        write_checkpoint(self.folder / path / name, snapshot, path, sync=False)
        self._prune()

    # Who trains.

    def lead(self, path: str, seconds: float) -> bool:
        """Try for some seconds to become the one who trains on this path, until `leave`; tell if we are."""
        if self._held is not None and self._held[0] == path:
            return True
        self.leave()
        (self.folder / path).mkdir(parents=True, exist_ok=True)
        lock = FileLock(self.folder / path / "lead.lock", thread_local=False)
        try:
            lock.acquire(timeout=seconds)
        except Timeout:
            return False
        self._held = (path, lock)
        return True

    def leave(self) -> None:
        """Let another train on the path that we led."""
        if self._held is not None:
            self._held[1].release()
            self._held = None

    def _entry(self, path: str, step_round: int) -> Path:
        return self.folder / path / f"round-{step_round:06d}"

    def _prune(self) -> None:
        states = []
        for folder in self.root.glob("*/*/state-*"):
            try:
                size = sum(file.stat().st_size for file in folder.iterdir())
                states.append((folder.stat().st_mtime, size, folder))
            except OSError:
                continue  # Another run removed it just now.
        total = sum(size for _, size, _ in states)
        for _, size, folder in sorted(states):
            if total <= self.limit_mib * MIB:
                break
            shutil.rmtree(folder, ignore_errors=True)
            total -= size
