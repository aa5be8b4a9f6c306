"""The idx format of the MNIST family: big-endian magic and dimensions, then raw bytes; plain or gzipped."""

import gzip
import math
import zlib
from contextlib import nullcontext
from pathlib import Path
from typing import BinaryIO, cast

import numpy as np

from profl_ray.errors import UserError

_UINT8 = 0x08
_GZIP = b"\x1f\x8b"
_MAX_BYTES = 2**30  # a foreign file must not make us reserve more than this


def read_idx(path: Path, num_dims: int) -> np.ndarray:
    """Return the uint8 array of `num_dims` dimensions in the idx file `path`, gzipped or plain.

    Which of the two it is, its first bytes say; its name need not. Raises UserError, which names the file,
    when it cannot be read, is no idx file of bytes, has another number of dimensions, is truncated, or goes
    on after its end.
    """
    try:
        with path.open("rb") as file:
            is_gzipped = file.read(len(_GZIP)) == _GZIP
            file.seek(0)
            with gzip.open(file) if is_gzipped else nullcontext(file) as stream:
                return _parse(cast(BinaryIO, stream), path, num_dims)
    except EOFError as error:
        raise UserError(f"{path} is truncated: its gzip stream ends early") from error
    except (OSError, zlib.error) as error:  # gzip.BadGzipFile is an OSError
        raise UserError(f"cannot read {path}: {error}") from error


def _parse(stream: BinaryIO, path: Path, num_dims: int) -> np.ndarray:
    magic = stream.read(4)
    if len(magic) < 4 or magic[:2] != b"\0\0":
        raise UserError(f"{path} is not an idx file: it begins with {magic.hex() or 'nothing'}")
    if magic[2] != _UINT8 or magic[3] != num_dims:
        raise UserError(
            f"{path} holds idx type 0x{magic[2]:02x} with {magic[3]} dimensions, "
            f"not unsigned bytes (0x08) with {num_dims}"
        )
    header = stream.read(4 * num_dims)
    if len(header) < 4 * num_dims:
        raise UserError(f"{path} is truncated: its header ends early")
    shape = tuple(np.frombuffer(header, ">u4").tolist())
    num_bytes = math.prod(shape)
    if num_bytes > _MAX_BYTES:
        raise UserError(f"{path} declares shape {list(shape)}, above the limit of {_MAX_BYTES} bytes")
    content = stream.read(num_bytes)
    if len(content) < num_bytes:
        raise UserError(f"{path} is truncated: {len(content)} of {num_bytes} bytes of shape {list(shape)}")
    if stream.read(1):
        raise UserError(f"{path} has more data after the {num_bytes} bytes of shape {list(shape)}")
    return np.frombuffer(content, np.uint8).reshape(shape).copy()
