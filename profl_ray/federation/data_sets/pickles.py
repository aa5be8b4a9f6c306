"""Read the pickled batches of CIFAR without running anything that a file asks for.

A pickle may name any function and have it called. A batch needs the few names of `_MADE` only, by which
every protocol (0 to 5), under NumPy 1 and 2, writes bytes, arrays and numbers; here each of them stands for
an inert look-alike, so not even NumPy sees a foreign file's state.
"""

import io
import pickle
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np

from profl_ray.errors import UserError
from profl_ray.federation.data_sets.files import read_bytes

WANTED = ("data", "labels", "fine_labels")
_WHOLE_NUMBERS = ("u1", "u2", "u4", "u8", "i1", "i2", "i4", "i8")


def read_pickled_batch(path: Path) -> dict[str, Any]:
    """Return what is WANTED of the dictionary pickled in `path`: numbers, lists, arrays of whole numbers.

    Raises UserError, which names the file, when it is no such pickle or names any other class or function.
    """
    try:
        batch = _BatchUnpickler(io.BytesIO(read_bytes(path)), encoding="bytes").load()
        if not isinstance(batch, dict):
            raise TypeError(f"it holds a {type(batch).__name__}, not a dictionary")
        texts = {_text(key): value for key, value in batch.items()}
        return {key: _plain(key, texts[key]) for key in WANTED if key in texts}
    except UserError:
        raise
    except Exception as error:  # a damaged pickle may raise anything
        # It may quote any bytes of the file.
        reason = ascii(" ".join(str(error).split()))[1:-1] or type(error).__name__
        raise UserError(f"{path} is not a readable CIFAR batch: {reason}") from error


class _Dtype:
    """Stands for numpy.dtype: keeps name and order of bytes, ignores the rest of the state."""

    __slots__ = ("name", "order")

    def __init__(self, name: str | bytes, *_flags: object) -> None:
        self.name, self.order = _text(name), "|"
        if self.name[:1] in ("<", ">", "|", "="):
            self.order, self.name = self.name[0], self.name[1:]

    def __setstate__(self, state: tuple[int, str | bytes]) -> None:
        self.order = _text(state[1])

    def numbers(self, what: str, content: object) -> np.ndarray:
        """Return the whole numbers that bytes stand for; TypeError, which names `what`, if they do not."""
        name = {"uint8": "u1"}.get(self.name, self.name)
        if name not in _WHOLE_NUMBERS or self.order not in ("<", ">", "|", "="):
            raise TypeError(f"its {what} are of {name}, not of unsigned bytes or other whole numbers")
        if not isinstance(content, bytes | bytearray):
            raise TypeError(f"its {what} are made of a {type(content).__name__}, not of bytes")
        return np.frombuffer(content, f"{self.order}{name}").astype(name)


class _Array:
    """Stands for numpy.ndarray: keeps shape and bytes, which are read when they are wanted."""

    __slots__ = ("_axes", "_content", "_dtype", "_order", "_shape")

    def __init__(
        self,
        content: object = b"",
        dtype: object = None,
        shape: Any = (0,),
        order: str = "C",
        axes: Any = None,
    ) -> None:
        self._content, self._dtype, self._shape = content, dtype, shape
        self._order, self._axes = order, axes

    def __setstate__(self, state: tuple[int, tuple[int, ...], object, bool, object]) -> None:
        _version, shape, dtype, is_fortran, content = state
        self.__init__(content, dtype, shape, "F" if is_fortran else "C")  # type: ignore[misc]

    def values(self, what: str) -> np.ndarray:
        """Return the array; TypeError or ValueError if it is not one of whole numbers of its shape."""
        if not isinstance(self._dtype, _Dtype):
            raise TypeError(f"its {what} are not of unsigned bytes or other whole numbers")
        flat = self._dtype.numbers(what, self._content)
        array = flat.reshape(self._shape, order=self._order)  # type: ignore[call-overload]
        return np.ascontiguousarray(array if self._axes is None else array.transpose(self._axes))


def _from_buffer(
    content: object, dtype: object, shape: object, order: str | bytes, axes: object = None
) -> _Array:
    """Stands for numpy's _frombuffer, which protocol 5 calls; order K: the axes are to be reordered."""
    return _Array(content, dtype, shape, {"C": "C", "F": "F", "K": "C"}[_text(order)], axes)


class _Scalar:
    """Stands for a number of NumPy's: keeps its bytes."""

    __slots__ = ("_content", "_dtype")

    def __init__(self, dtype: object, content: object) -> None:
        self._dtype, self._content = dtype, content

    def __setstate__(self, _state: object) -> None:
        raise TypeError("it gives state to a number")

    def value(self, what: str) -> int:
        """Return the number; TypeError or ValueError if it is not a whole one."""
        if not isinstance(self._dtype, _Dtype):
            raise TypeError(f"its {what} are not whole numbers")
        (number,) = self._dtype.numbers(what, self._content).tolist()
        return int(number)


def _encoded(text: str, encoding: str | bytes) -> bytes:
    """Stands for codecs.encode, by which the protocols 0 to 2 write bytes."""
    if not isinstance(text, str) or _text(encoding) != "latin1":
        raise TypeError("a text in it is written in another encoding than Latin-1")
    return text.encode("latin1")


class _LookAlike:
    """What a file gets for a name: it can be called, and nothing else.

    Without attributes and state of its own, so that one file cannot leave anything for the next.
    """

    __slots__ = ("_make",)

    def __init__(self, make: Callable[..., object]) -> None:
        self._make = make

    def __call__(self, *arguments: object) -> object:
        """Make the look-alike of a result."""
        return self._make(*arguments)

    def __setstate__(self, _state: object) -> None:
        raise TypeError("it gives state to a function")


def _array(*_arguments: object) -> _Array:
    return _Array()


_MADE: dict[tuple[str, str], Callable[..., object]] = {
    ("numpy", "dtype"): _Dtype,
    ("numpy", "ndarray"): _array,
    ("_codecs", "encode"): _encoded,
    ("__builtin__", "bytes"): lambda: b"",  # Empty bytes in the protocols 0 to 2 ...
    ("builtins", "bytes"): lambda: b"",  # ... with and without Python 2's names.
    **{
        (f"numpy.{core}.{module}", name): make
        for core in ("core", "_core")  # NumPy 1, NumPy 2
        for module, name, make in (
            ("multiarray", "_reconstruct", _array),
            ("multiarray", "scalar", _Scalar),
            ("numeric", "_frombuffer", _from_buffer),
        )
    },
}


class _BatchUnpickler(pickle.Unpickler):
    def find_class(self, module: str, name: str) -> Any:
        """Return the look-alike of an allowed name; refuse every other name."""
        if (module, name) not in _MADE:
            raise pickle.UnpicklingError(f"it asks for {module}.{name}, which no CIFAR batch needs")
        return _LookAlike(_MADE[module, name])


def _text(value: object) -> str:
    """Return text that Python 2 may have pickled as bytes."""
    if not isinstance(value, str | bytes):
        raise TypeError(f"it holds a {type(value).__name__} where text belongs")
    return value if isinstance(value, str) else value.decode("latin1")


def _plain(what: str, value: object) -> object:
    if isinstance(value, _Array):
        return value.values(what)
    if isinstance(value, list | tuple):
        return [item.value(what) if isinstance(item, _Scalar) else item for item in value]
    return value
