"""Read the pickled batches of CIFAR without running anything that a file asks for.

A pickle may name any function and have it called. The batches need three NumPy names only, to rebuild one
array of bytes; here each of the three stands for an inert look-alike, so not even NumPy sees a foreign file's
state.
"""

import io
import pickle
from pathlib import Path
from typing import Any

import numpy as np

from profl_ray.errors import UserError
from profl_ray.federation.data_sets.files import read_bytes


def read_pickled_batch(path: Path) -> dict[str, Any]:
    """Return the dictionary pickled in `path`: text keys; values are numbers, bytes, lists or uint8 arrays.

    Raises UserError, which names the file, when it is no such pickle or names any other class or function.
    """
    try:
        batch = _BatchUnpickler(io.BytesIO(read_bytes(path)), encoding="bytes").load()
        if not isinstance(batch, dict):
            raise TypeError(f"it holds a {type(batch).__name__}, not a dictionary")
        return {_text(key): _plain(value) for key, value in batch.items()}
    except UserError:
        raise
    except Exception as error:  # a damaged pickle may raise anything
        # It may quote any bytes of the file.
        reason = ascii(" ".join(str(error).split()))[1:-1] or type(error).__name__
        raise UserError(f"{path} is not a readable CIFAR batch: {reason}") from error


class _Dtype:
    """Stands for numpy.dtype: keeps the name, ignores the state."""

    def __init__(self, name: str | bytes, *_flags: object) -> None:
        self.name = _text(name)

    def __setstate__(self, _state: object) -> None:
        pass


class _Array:
    """Stands for numpy.ndarray: keeps shape and bytes."""

    def __init__(self, *_arguments: object) -> None:
        self.values: np.ndarray = np.zeros(0, np.uint8)

    def __setstate__(self, state: tuple[int, tuple[int, ...], _Dtype, bool, bytes]) -> None:
        _version, shape, dtype, is_fortran, content = state
        if not isinstance(dtype, _Dtype) or dtype.name not in ("u1", "|u1", "uint8"):
            raise TypeError("an array in it is not of unsigned bytes")
        flat = np.frombuffer(content, np.uint8)
        self.values = flat.reshape(shape, order="F" if is_fortran else "C").copy()


_ALLOWED = {
    ("numpy", "dtype"): _Dtype,
    ("numpy", "ndarray"): _Array,
    ("numpy.core.multiarray", "_reconstruct"): _Array,  # as NumPy 1 names it
    ("numpy._core.multiarray", "_reconstruct"): _Array,  # as NumPy 2 names it
}


class _BatchUnpickler(pickle.Unpickler):
    def find_class(self, module: str, name: str) -> Any:
        """Return the look-alike of an allowed name; refuse every other name."""
        if (module, name) not in _ALLOWED:
            raise pickle.UnpicklingError(f"it asks for {module}.{name}, which no CIFAR batch needs")
        return _ALLOWED[module, name]


def _text(value: str | bytes) -> str:
    """Return text that Python 2 may have pickled as bytes."""
    if not isinstance(value, str | bytes):
        raise TypeError(f"it holds a {type(value).__name__} where text belongs")
    return value if isinstance(value, str) else value.decode("latin1")


def _plain(value: object) -> object:
    return value.values if isinstance(value, _Array) else value
