"""Read a data set's file, or say in one line why not."""

from pathlib import Path

from profl_ray.errors import UserError


def read_bytes(path: Path) -> bytes:
    """Return the content of the file `path`; raises UserError, which names it, when it cannot be read."""
    try:
        return path.read_bytes()
    except OSError as error:
        raise UserError(f"cannot read {path}: {error.strerror}") from error
