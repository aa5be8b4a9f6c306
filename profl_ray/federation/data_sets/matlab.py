"""Numeric arrays of MATLAB files, level 5 (the format's public description: "MAT-File Format", MathWorks).

Our own reader, because SciPy's, which is faster and knows more, ends the whole process (segmentation fault)
on some damaged files; this one raises ValueError.
"""

import math
import struct
import zlib
from collections.abc import Iterator

import numpy as np

from profl_ray.sizes import MIB

_HEADER_BYTES = 128
_MATRIX, _COMPRESSED = 14, 15
_STORED = {1: "i1", 2: "u1", 3: "i2", 4: "u2", 5: "i4", 6: "u4", 7: "f4", 9: "f8", 12: "i8", 13: "u8"}
"""How an element's numbers are stored, by its type; MATLAB picks the smallest that fits."""
_CLASSES = {6: "f8", 7: "f4", 8: "i1", 9: "u1", 10: "i2", 11: "u2", 12: "i4", 13: "u4", 14: "i8", 15: "u8"}
"""What they are in MATLAB, by the array's class."""
_MOST_BYTES = 2 * 2**30


def read_arrays(content: bytes) -> dict[str, np.ndarray]:
    """Return the real numeric arrays of a file by name; others are left out. ValueError if it is damaged."""
    if len(content) < _HEADER_BYTES or content[126:128] not in (b"IM", b"MI"):
        raise ValueError("it is not a level 5 MATLAB file")
    order = "<" if content[126:128] == b"IM" else ">"
    arrays: dict[str, np.ndarray] = {}
    for kind, data in _elements(memoryview(content)[_HEADER_BYTES:], order):
        if kind == _COMPRESSED:
            inner = list(_elements(memoryview(_decompressed(data)), order))
        else:
            inner = [(kind, data)]
        arrays |= dict(_array(matrix, order) for kind, matrix in inner if kind == _MATRIX)
    return arrays


def _elements(data: memoryview, order: str) -> Iterator[tuple[int, memoryview]]:
    """Yield type and content of each element; ValueError if one is cut off."""
    at = 0
    while at < len(data):
        tag = data[at : at + 8]
        if len(tag) < 8:
            raise ValueError("an element is cut off")
        kind, size = struct.unpack(f"{order}II", tag)
        if kind >> 16:  # Small: type, size and content share the eight bytes.
            kind, size, start, after = kind & 0xFFFF, kind >> 16, at + 4, at + 8
        else:
            start = at + 8
            after = start + size + (0 if kind == _COMPRESSED else -size % 8)
        if start + size > (at + 8 if start == at + 4 else len(data)):
            raise ValueError("an element is cut off")
        yield kind, data[start : start + size]
        at = after


def _decompressed(data: memoryview) -> bytes:
    inflater = zlib.decompressobj()
    try:
        content = inflater.decompress(data, _MOST_BYTES)
    except zlib.error as error:
        raise ValueError(f"broken compression: {error}") from error
    if not inflater.eof:
        raise ValueError(f"its compressed part is cut off, or holds more than {_MOST_BYTES // MIB} MiB")
    return content


def _array(data: memoryview, order: str) -> tuple[str, np.ndarray]:
    """Return name and array of a matrix element; an empty array stands for what is no real numeric one."""
    flags, shape, name, *rest = _elements(data, order)
    words = _numbers(flags, order, "u4")
    dimensions = [int(size) for size in _numbers(shape, order, "i4")]
    label = bytes(name[1]).decode("ascii", errors="replace")
    wanted = _CLASSES.get(int(words[0]) & 0xFF)
    if wanted is None or len(rest) != 1:
        return label, np.empty(0)
    kind, content = rest[0]
    if kind not in _STORED:
        raise ValueError(f"array {label!r} holds elements of the unknown type {kind}")
    values = np.frombuffer(content, order + _STORED[kind]) if len(content) else np.empty(0, _STORED[kind])
    if min(dimensions, default=0) < 0 or math.prod(dimensions) != len(values):
        raise ValueError(f"array {label!r} has {len(values)} numbers, its shape is {dimensions}")
    return label, values.astype(wanted).reshape(dimensions, order="F")


def _numbers(element: tuple[int, memoryview], order: str, stored: str) -> np.ndarray:
    """Return the numbers of an element that must hold some of the given type."""
    kind, content = element
    if _STORED.get(kind) != stored or not len(content):
        raise ValueError("an array's description is damaged")
    return np.frombuffer(content, order + stored)
