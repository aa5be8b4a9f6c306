"""The state of a run on disk: one folder with safetensors and JSON, written whole or not at all."""

import json
import shutil
from dataclasses import dataclass
from hashlib import sha256
from pathlib import Path
from tempfile import mkdtemp
from typing import Any

import numpy as np
from safetensors import SafetensorError
from safetensors.numpy import load, save

from profl_ray.errors import UserError
from profl_ray.training import State

VERSION = 2
TENSORS, FACTS = "tensors.safetensors", "state.json"


@dataclass(frozen=True)
class Snapshot:
    """Everything that a run needs to go on."""

    tensors: State
    facts: dict[str, Any]


def write_checkpoint(folder: Path, snapshot: Snapshot) -> None:
    """Write the snapshot as `folder`, replacing it; a reader sees the old folder, the new one, or none."""
    folder.parent.mkdir(parents=True, exist_ok=True)
    aside = Path(mkdtemp(prefix=f".{folder.name}.", dir=folder.parent))
    try:
        fill_checkpoint(aside, snapshot)
        if folder.exists():
            shutil.rmtree(folder)
        aside.rename(folder)
    finally:
        shutil.rmtree(aside, ignore_errors=True)


def fill_checkpoint(folder: Path, snapshot: Snapshot) -> None:
    """Write the snapshot's two files into an existing folder."""
    # safetensors writes memory as it lies, so a view that is not in C order would come back scrambled.
    tensors = save({name: np.asarray(value, order="C") for name, value in snapshot.tensors.items()})
    header = {"version": VERSION, "tensors_sha256": sha256(tensors).hexdigest()}
    (folder / TENSORS).write_bytes(tensors)
    (folder / FACTS).write_text(json.dumps(header | {"facts": snapshot.facts}))


def read_checkpoint(folder: Path) -> Snapshot:
    """Read a snapshot; UserError names the folder if it is missing, torn or foreign."""
    try:
        tensors = (folder / TENSORS).read_bytes()
        header = json.loads((folder / FACTS).read_text())
        if header["version"] != VERSION:
            raise UserError(f"checkpoint {folder}: version {header['version']}, this program reads {VERSION}")
        if sha256(tensors).hexdigest() != header["tensors_sha256"]:
            raise UserError(f"checkpoint {folder}: {TENSORS} does not match its checksum")
        return Snapshot(load(tensors), header["facts"])
    except (OSError, json.JSONDecodeError, UnicodeDecodeError, KeyError, TypeError, SafetensorError) as error:
        raise UserError(f"checkpoint {folder} cannot be read: {error}") from error


def weights_sha256(weights: State) -> str:
    """Return the digest of weights: names, shapes and values, in the order of the names."""
    digest = sha256()
    for name in sorted(weights):
        value = weights[name]
        digest.update(f"{name}{value.shape}{value.dtype}".encode())
        digest.update(value.tobytes())
    return digest.hexdigest()
