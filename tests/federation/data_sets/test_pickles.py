import os
import pickle
import struct

import numpy as np
import pytest

from profl_ray.errors import UserError
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


@pytest.mark.parametrize("protocol", [3, 4])
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
