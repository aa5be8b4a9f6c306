import gzip
import struct

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from profl_ray.errors import UserError
from profl_ray.federation.data_sets.idx import read_idx


def _idx(array, kind=0x08):
    return struct.pack(f">HBB{array.ndim}I", 0, kind, array.ndim, *array.shape) + array.tobytes()


@given(st.lists(st.integers(0, 5), min_size=1, max_size=3), st.booleans())
def test_round_trip(tmp_path_factory, shape, zipped):
    array = np.arange(np.prod(shape), dtype=np.uint8).reshape(shape)
    path = tmp_path_factory.getbasetemp() / ("array.gz" if zipped else "array")
    path.write_bytes(gzip.compress(_idx(array)) if zipped else _idx(array))
    read = read_idx(path, len(shape))
    assert read.dtype == np.uint8 and read.flags.writeable
    np.testing.assert_array_equal(read, array)


WHOLE = _idx(np.ones((3, 2), np.uint8))


@pytest.mark.parametrize(
    ("content", "words"),
    [
        (b"", "not an idx file: it begins with nothing"),
        (b"PNG..........", "not an idx file: it begins with 504e472e"),
        (_idx(np.ones(3, np.uint8)), "type 0x08 with 1 dimensions, not unsigned bytes"),
        (_idx(np.ones((3, 2), np.float32), 0x0D), "type 0x0d with 2 dimensions"),
        (WHOLE[:10], "truncated: its header ends early"),
        (WHOLE[:-1], r"truncated: 5 of 6 bytes of shape \[3, 2\]"),
        (WHOLE + b"x", r"has more data after the 6 bytes"),
        (struct.pack(">HBB2I", 0, 8, 2, 2**32 - 1, 2**32 - 1), "above the limit"),
    ],
)
@pytest.mark.parametrize("zipped", [False, True])
def test_foreign_and_truncated_files_are_named(tmp_path, content, words, zipped):
    path = tmp_path / ("some-idx.gz" if zipped else "some-idx")
    path.write_bytes(gzip.compress(content) if zipped else content)
    with pytest.raises(UserError, match=f"some-idx.*{words}"):
        read_idx(path, 2)


def test_broken_gzip_is_named(tmp_path):
    path = tmp_path / "some-idx.gz"
    path.write_bytes(b"\x1f\x8b" + WHOLE)
    with pytest.raises(UserError, match=r"cannot read .*some-idx.gz: Unknown compression method"):
        read_idx(path, 2)
    path.write_bytes(gzip.compress(_idx(np.ones((300, 200), np.uint8)))[:-12])
    with pytest.raises(UserError, match=r"some-idx.gz is truncated: its gzip stream ends early"):
        read_idx(path, 2)


@pytest.mark.parametrize(("name", "content"), [("idx.gz", WHOLE), ("idx", gzip.compress(WHOLE, mtime=0))])
def test_the_content_says_whether_it_is_gzipped_not_the_name(tmp_path, name, content):
    (tmp_path / name).write_bytes(content)
    np.testing.assert_array_equal(read_idx(tmp_path / name, 2), np.ones((3, 2)))


def test_an_absent_file_is_named(tmp_path):
    with pytest.raises(UserError, match=r"cannot read .*absent"):
        read_idx(tmp_path / "absent", 2)
