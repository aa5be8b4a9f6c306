"""Our reader of MATLAB files against SciPy's writer."""

import io
import struct

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra import numpy as hnp
from scipy.io import loadmat, savemat

from profl_ray.federation.data_sets.matlab import read_arrays

KINDS = ("u1", "i1", "u2", "i2", "u4", "i4", "u8", "i8", "f4", "f8")


def saved(arrays, compressed=False):
    file = io.BytesIO()
    savemat(file, arrays, do_compression=compressed)
    return file.getvalue()


@given(
    st.sampled_from(KINDS).flatmap(
        lambda kind: hnp.arrays(kind, hnp.array_shapes(min_dims=2, max_dims=4, max_side=4))
    ),
    st.sampled_from(["X", "y", "longer_than_four"]),
    st.booleans(),
)
def test_what_scipy_writes_is_read(array, name, compressed):
    content = saved({name: array, "other": np.arange(3)}, compressed)
    found = read_arrays(content)[name]
    np.testing.assert_array_equal(found, loadmat(io.BytesIO(content))[name])
    assert found.dtype == array.dtype and found.shape == array.shape


def test_what_is_not_numeric_is_left_empty():
    content = saved({"text": "hello", "cell": np.array([[1, "a"]], object), "X": np.ones((2, 2))})
    arrays = read_arrays(content)
    assert arrays["text"].size == 0 and arrays["cell"].size == 0 and arrays["X"].size == 4


@pytest.mark.parametrize("content", [b"", b"x" * 200, b"\0" * 126 + b"IM" + b"\0\0"])
def test_other_files_are_refused(content):
    with pytest.raises(ValueError, match=r"not a level 5 MATLAB file|cut off"):
        read_arrays(content)


@pytest.mark.parametrize("compressed", [False, True])
def test_a_file_that_is_cut_off_is_refused(compressed):
    whole = saved({"X": np.ones((5, 5))}, compressed)
    for size in range(129, len(whole)):
        with pytest.raises(ValueError):
            read_arrays(whole[:size])


def test_a_shape_that_does_not_fit_is_refused():
    content = saved({"X": np.ones((2, 3), np.uint8)})
    changed = content.replace(struct.pack("<ii", 2, 3), struct.pack("<ii", 2, 4))
    with pytest.raises(ValueError, match="has 6 numbers, its shape is"):
        read_arrays(changed)
