"""Files that are there whole or not at all, after a kill or a power cut too."""

import os
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Literal


def write_durably(path: Path, data: bytes) -> None:
    """Write `data` as `path`, replacing it: a reader sees the old file or the new one, both whole.

    Raises OSError that names the file, for instance when the disk is full; the old file is left then.
    """
    write_whole(path, data, sync=True)


def write_whole(path: Path, data: bytes, sync: bool = False) -> None:
    """Do as `write_durably` does, but without waiting for the disk: a power cut may spoil the file."""
    aside = path.with_name(f".{path.name}.{os.getpid()}")
    with naming(path):
        try:
            write_file(aside, data, sync=sync)
            aside.replace(path)
        finally:
            aside.unlink(missing_ok=True)
        if sync:
            sync_folder(path.parent)


def append_durably(path: Path, data: bytes) -> None:
    """Append `data`; when this returns it is on the disk. Raises OSError that names the file."""
    with naming(path):
        write_file(path, data, mode="ab")


def write_file(path: Path, data: bytes, mode: Literal["wb", "ab"] = "wb", sync: bool = True) -> None:
    """Write `data` into `path` and, with `sync`, wait until the disk has it."""
    with path.open(mode) as file:
        file.write(data)
        if sync:
            file.flush()
            os.fsync(file.fileno())


def sync_folder(folder: Path) -> None:
    """Make the names in `folder` outlive a power cut."""
    number = os.open(folder, os.O_RDONLY)
    try:
        os.fsync(number)
    finally:
        os.close(number)


@contextmanager
def naming(path: Path) -> Iterator[None]:
    """Let an OSError name `path`: one of writing or syncing names no file."""
    try:
        yield
    except OSError as error:
        if error.filename is not None:
            raise
        raise OSError(error.errno, error.strerror or str(error), str(path)) from error
