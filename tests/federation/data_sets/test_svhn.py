import numpy as np
import pytest
from scipy.io import savemat

from profl_ray.config import DataConfig
from profl_ray.errors import UserError
from profl_ray.federation import load_data
from profl_ray.federation.data_sets.svhn import read_svhn

IMAGES = np.random.default_rng(0).integers(0, 256, (32, 32, 3, 10), np.uint8)
LABELS = np.arange(1, 11, dtype=np.uint8)[:, None]


def test_images_are_turned_and_ten_is_zero(tmp_path):
    for name in ("train_32x32.mat", "test_32x32.mat"):
        savemat(tmp_path / name, {"X": IMAGES, "y": LABELS})
    data = load_data(DataConfig(name="svhn", root=tmp_path))
    assert data.input_shape == (3, 32, 32)
    np.testing.assert_array_equal(data.train_inputs[4, 2], IMAGES[:, :, 2, 4])
    assert data.train_labels.tolist() == [1, 2, 3, 4, 5, 6, 7, 8, 9, 0]


def test_an_absent_data_set_is_named(tmp_path):
    with pytest.raises(UserError, match=r"svhn: the files train_32x32.mat and test_32x32.mat not found"):
        load_data(DataConfig(name="svhn", root=tmp_path))


@pytest.mark.parametrize(
    ("arrays", "words"),
    [
        ({"y": LABELS}, "not a readable SVHN file"),
        ({"X": IMAGES[:8], "y": LABELS}, r"X must be uint8 \[32, 32, 3, N\]"),
        ({"X": IMAGES, "y": LABELS - 1}, r"labels y must be whole numbers in 1..10"),
    ],
)
def test_other_arrays_are_named(tmp_path, arrays, words):
    path = tmp_path / "train_32x32.mat"
    savemat(path, arrays)
    with pytest.raises(UserError, match=f"train_32x32.mat.*{words}"):
        read_svhn(path)


@pytest.mark.parametrize("content", [b"", b"hello", b"x" * 1000])
def test_foreign_files_are_named(tmp_path, content):
    path = tmp_path / "train_32x32.mat"
    path.write_bytes(content)
    with pytest.raises(UserError, match=r"train_32x32.mat is not a readable SVHN file"):
        read_svhn(path)
