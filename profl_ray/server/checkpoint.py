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
from profl_ray.server.durable import naming, sync_folder, write_file
from profl_ray.server.formats import check_format, stamp
from profl_ray.training import State

TENSORS, FACTS = "tensors.safetensors", "state.json"
_UNREADABLE = (OSError, ValueError, KeyError, TypeError, AttributeError, RecursionError, SafetensorError)


@dataclass(frozen=True)
class Snapshot:
    """Everything that a run needs to be resumed."""

    tensors: State
    facts: dict[str, Any]


def write_checkpoint(folder: Path, snapshot: Snapshot, run: str = "", sync: bool = True) -> None:
    """Write the snapshot of `run` as `folder`, replacing it; a reader sees the old one, the new one, or none.

    With `sync`, what was written outlives a power cut. Raises OSError that names the folder, as when the disk
    is full.
    """
    with naming(folder):
        folder.parent.mkdir(parents=True, exist_ok=True)
        aside = Path(mkdtemp(prefix=f".{folder.name}.", dir=folder.parent))
        try:
            fill_checkpoint(aside, snapshot, run, sync)
            if folder.exists():
                shutil.rmtree(folder)
            aside.rename(folder)
        finally:
            shutil.rmtree(aside, ignore_errors=True)
        if sync:
            sync_folder(folder.parent)


def fill_checkpoint(folder: Path, snapshot: Snapshot, run: str = "", sync: bool = True) -> None:
    """Write the snapshot's two files into an existing folder."""
    # safetensors writes memory as it lies, so a view that is not in C order would come back scrambled.
    tensors = save({name: np.asarray(value, order="C") for name, value in snapshot.tensors.items()})
    facts = json.dumps(snapshot.facts)
    header = {
        **stamp(),
        "run": run,
        "tensors_sha256": sha256(tensors).hexdigest(),
        "facts_sha256": sha256(facts.encode()).hexdigest(),
    }
    write_file(folder / TENSORS, tensors, sync=sync)
    write_file(folder / FACTS, json.dumps(header | {"facts": facts}).encode(), sync=sync)
    if sync:
        sync_folder(folder)


def read_checkpoint(folder: Path, run: str = "") -> Snapshot:
    """Read a snapshot of `run`; UserError names the folder if it is missing, torn, changed or foreign."""
    try:
        tensors = (folder / TENSORS).read_bytes()
        header = json.loads((folder / FACTS).read_text())
        owner = header["run"]
        check_format(f"checkpoint {folder}", header)
        if owner != run:
            raise UserError(f"checkpoint {folder} belongs to another run")
        for name, data in (("tensors", tensors), ("facts", header["facts"].encode())):
            if sha256(data).hexdigest() != header[f"{name}_sha256"]:
                raise UserError(f"checkpoint {folder}: its {name} do not match their checksum")
        return Snapshot(load(tensors), json.loads(header["facts"]))
    except UserError:
        raise
    except _UNREADABLE as error:
        raise UserError(f"checkpoint {folder} cannot be read: {_line(error)}") from error


def _line(error: Exception) -> str:
    return " ".join(str(error).split()) or type(error).__name__


def weights_sha256(weights: State) -> str:
    """Return the digest of weights: names, shapes and values, in the order of the names."""
    digest = sha256()
    for name in sorted(weights):
        value = weights[name]
        digest.update(f"{name}{value.shape}{value.dtype}".encode())
        digest.update(value.tobytes())
    return digest.hexdigest()
