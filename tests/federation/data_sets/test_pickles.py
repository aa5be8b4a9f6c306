import os
import pickle
import struct

import numpy as np
import pytest

from profl_ray.errors import UserError
from profl_ray.federation.data_sets import pickles
from profl_ray.federation.data_sets.pickles import read_pickled_batch


def python2_batch(data, labels_key, labels):
    """Write a batch as Python 2 with NumPy 1 wrote CIFAR's: protocol 2, text and array as 8-bit strings."""

    def text(word):
        return b"U" + bytes([len(word)]) + word.encode()

    def number(value):
        return b"J" + struct.pack("<i", value)

    dtype = b"cnumpy\ndtype\n" + text("u1") + b"K\x00K\x01\x87R(K\x03" + text("|") + b"NNN"
    dtype += number(-1) * 2 + b"K\x00tb"
    raw = b"T" + struct.pack("<I", data.nbytes) + data.tobytes()
    empty = b"cnumpy.core.multiarray\n_reconstruct\n(cnumpy\nndarray\nK\x00\x85" + text("b") + b"tR"
    array = empty + b"(K\x01" + number(len(data)) + number(data.shape[1]) + b"\x86" + dtype + b"\x89" + raw
    entries = text("data") + array + b"tb" + text(labels_key)
    entries += b"](" + b"".join(map(number, labels)) + b"e"
    return b"\x80\x02}(" + entries + b"u."


class _Call:
    """Pickles as a call of any function: what a hostile file does."""

    def __init__(self, function, *arguments):
        self.parts = (function, arguments)

    def __reduce__(self):
        return self.parts


DATA = np.arange(12, dtype=np.uint8).reshape(3, 4)


def test_a_batch_of_python_2_is_read(tmp_path):
    path = tmp_path / "data_batch_1"
    path.write_bytes(python2_batch(DATA, "labels", [3, 1, 2]))
    # The hand-made bytes are what NumPy itself takes for this array.
    theirs = pickle.loads(path.read_bytes(), encoding="latin1")
    batch = read_pickled_batch(path)
    assert batch["labels"] == theirs["labels"] == [3, 1, 2]
    np.testing.assert_array_equal(batch["data"], DATA)
    np.testing.assert_array_equal(theirs["data"], DATA)


@pytest.mark.parametrize("protocol", range(6))
@pytest.mark.parametrize("order", ["C", "F"])
def test_a_batch_of_python_3_is_read(tmp_path, protocol, order):
    path = tmp_path / "data_batch_1"
    path.write_bytes(pickle.dumps({"data": np.asarray(DATA, order=order), "labels": [1]}, protocol))
    np.testing.assert_array_equal(read_pickled_batch(path)["data"], DATA)


@pytest.mark.parametrize(
    ("value", "asks_for"),
    [
        (lambda flag: _Call(os.system, f"touch {flag}"), r"system"),
        (lambda flag: _Call(eval, f"open({str(flag)!r}, 'w')"), r"builtin\w*\.eval"),
        (lambda flag: _Call(getattr, 0, "real"), r"builtin\w*\.getattr"),
        (lambda flag: _Call(np.fromfile, str(flag)), r"fromfile"),
    ],
)
@pytest.mark.parametrize("protocol", [2, 4])
def test_a_malicious_pickle_is_refused_and_does_nothing(tmp_path, value, asks_for, protocol):
    path, flag = tmp_path / "data_batch_1", tmp_path / "flag"
    path.write_bytes(pickle.dumps({"data": value(flag)}, protocol))
    with pytest.raises(UserError, match=f"data_batch_1 .*asks for .*{asks_for}, which no CIFAR batch needs"):
        read_pickled_batch(path)
    assert not flag.exists()


def _names_of_numpy_1(content):
    """Return a pickle of protocol 0 to 3, or of text opcodes, as NumPy 1 would have written it."""
    return content.replace(b"numpy._core.", b"numpy.core.")


@pytest.mark.parametrize("protocol", range(4))
@pytest.mark.parametrize("names", [bytes, _names_of_numpy_1])
@pytest.mark.parametrize("dtype", ["u1", "i4", "<i8", ">i2", "u8"])
def test_labels_of_every_whole_type_are_read(tmp_path, protocol, names, dtype):
    path = tmp_path / "data_batch_1"
    labels = np.array([3, 1, 2], dtype)
    path.write_bytes(
        names(pickle.dumps({b"labels": labels, "fine_labels": list(labels), b"": b""}, protocol))
    )
    batch = read_pickled_batch(path)
    assert batch["labels"].tolist() == batch["fine_labels"] == [3, 1, 2]


@pytest.mark.parametrize("protocol", range(6))
@pytest.mark.parametrize("labels", [np.array([1.0]), [np.float32(1)], np.array([True]), np.array(["1"])])
def test_labels_of_other_types_are_refused(tmp_path, protocol, labels):
    path = tmp_path / "data_batch_1"
    path.write_bytes(pickle.dumps({"labels": labels}, protocol))
    with pytest.raises(
        UserError, match=r"data_batch_1 .*its labels are of .*, not of unsigned bytes or other whole"
    ):
        read_pickled_batch(path)


def test_what_no_batch_needs_is_not_read(tmp_path):
    path = tmp_path / "data_batch_1"
    extra = {"filenames": np.array(["a.png"]), "mean": np.float64(0.5), "objects": np.array([None], object)}
    path.write_bytes(pickle.dumps({"labels": [1], **extra}, 5))
    assert read_pickled_batch(path) == {"labels": [1]}


def test_arrays_kept_in_another_file_are_refused(tmp_path):
    path = tmp_path / "data_batch_1"
    path.write_bytes(pickle.dumps({"data": DATA}, 5, buffer_callback=lambda buffer: False))
    with pytest.raises(UserError, match=r"not a readable CIFAR batch: .*out-of-band"):
        read_pickled_batch(path)


NAMES = [
    "numpy dtype",
    "numpy ndarray",
    "numpy._core.numeric _frombuffer",
    "_codecs encode",
    "builtins bytes",
]


@pytest.mark.parametrize("name", NAMES)
@pytest.mark.parametrize(
    "use",
    [
        b"}X\x03\x00\x00\x00abcK\x01sb",  # state for the look-alike itself
        b"N}X\x08\x00\x00\x00__call__K\x01s\x86b",  # and as attributes
        b")\x81",  # __new__ of it
        b"(lp0\nK\x01a(K\x01e",
    ],
)
def test_a_look_alike_keeps_nothing_of_a_file(tmp_path, name, use):
    path = tmp_path / "data_batch_1"
    module, attribute = name.split()
    path.write_bytes(b"\x80\x02c" + f"{module}\n{attribute}\n".encode() + use + b".")
    with pytest.raises(UserError, match="data_batch_1 is not a readable CIFAR batch"):
        read_pickled_batch(path)
    test_a_batch_of_python_3_is_read(tmp_path, 5, "C")
    test_a_batch_of_python_3_is_read(tmp_path, 2, "F")


def test_every_name_stands_for_something_of_ours():
    made = [getattr(make, "__module__", None) for make in pickles._MADE.values()]
    assert set(made) == {"profl_ray.federation.data_sets.pickles"}


def test_an_array_of_objects_is_refused(tmp_path):
    path = tmp_path / "data_batch_1"
    path.write_bytes(pickle.dumps({"data": np.array([None, "x"], object)}, 4))
    with pytest.raises(UserError, match="not of unsigned bytes"):
        read_pickled_batch(path)


@pytest.mark.parametrize(
    "content",
    [
        b"",
        b"hello",
        pickle.dumps([1]),
        pickle.dumps({3: 4}),
        python2_batch(DATA, "labels", [1])[:-20],
        b"\x80\x02R.",
    ],
)
def test_foreign_and_truncated_files_are_named(tmp_path, content):
    path = tmp_path / "data_batch_1"
    path.write_bytes(content)
    with pytest.raises(UserError, match="data_batch_1 is not a readable CIFAR batch"):
        read_pickled_batch(path)
