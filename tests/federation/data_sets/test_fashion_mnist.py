import gzip
import struct

import numpy as np
import pytest

from profl_ray.config import DataConfig
from profl_ray.errors import UserError
from profl_ray.federation import load_data
from profl_ray.federation.data_sets import fashion_mnist


def _write(folder, zipped):
    folder.mkdir(parents=True, exist_ok=True)
    generator = np.random.default_rng(0)
    for part, number in (("train", 20), ("t10k", 5)):
        for name, array in (
            (f"{part}-images-idx3-ubyte", generator.integers(1, 256, (number, 28, 28), np.uint8)),
            (f"{part}-labels-idx1-ubyte", np.arange(number, dtype=np.uint8) % 10),
        ):
            content = struct.pack(f">HBB{array.ndim}I", 0, 8, array.ndim, *array.shape) + array.tobytes()
            path = folder / (f"{name}.gz" if zipped else name)
            path.write_bytes(gzip.compress(content) if zipped else content)


@pytest.mark.parametrize("zipped", [False, True])
@pytest.mark.parametrize("below", ["", "FashionMNIST/raw"])
def test_every_layout_is_read_and_padded(tmp_path, zipped, below):
    _write(tmp_path / below, zipped)
    data = load_data(DataConfig(name="fashion_mnist", root=tmp_path))
    assert data.train_inputs.shape == (20, 1, 32, 32) and data.test_inputs.shape == (5, 1, 32, 32)
    assert (data.train_inputs[:, :, 2:-2, 2:-2] > 0).all()
    assert np.count_nonzero(data.train_inputs) == 20 * 28 * 28
    assert data.test_labels.tolist() == [0, 1, 2, 3, 4]


def test_the_environment_names_a_folder_of_data_sets(tmp_path, monkeypatch):
    _write(tmp_path / "fashion_mnist", zipped=True)
    monkeypatch.setenv("PROFL_RAY_DATA", str(tmp_path))
    assert len(load_data(DataConfig(name="fashion_mnist")).train_inputs) == 20


def test_an_absent_folder_is_named(tmp_path):
    with pytest.raises(UserError) as caught:
        load_data(DataConfig(name="fashion_mnist", root=tmp_path / "absent"))
    message = str(caught.value)
    assert message.startswith("data set fashion_mnist: the files train-images-idx3-ubyte[.gz], ... not found")
    assert str(tmp_path / "absent") in message and "usr/share" not in message and "\n" not in message
    for remedy in ("data.root=FOLDER", "data.download=true", "Debian package dataset-fashion-mnist"):
        assert remedy in message


def test_a_labels_file_too_short_is_named(tmp_path):
    _write(tmp_path, zipped=False)
    (tmp_path / "t10k-labels-idx1-ubyte").write_bytes(struct.pack(">HBBI", 0, 8, 1, 4) + bytes(4))
    with pytest.raises(UserError, match="5 test examples need as many int64 labels") as caught:
        load_data(DataConfig(name="fashion_mnist", root=tmp_path))
    assert str(tmp_path) in str(caught.value)


@pytest.mark.skipif(not fashion_mnist.DEBIAN_FOLDER.is_dir(), reason="dataset-fashion-mnist is not installed")
def test_the_debian_package(monkeypatch):
    monkeypatch.delenv("PROFL_RAY_DATA", raising=False)
    data = load_data(DataConfig(name="fashion_mnist", test_examples=100))
    assert data.train_inputs.shape == (60000, 1, 32, 32) and len(data.test_inputs) == 100
    assert np.bincount(data.train_labels).tolist() == [6000] * 10
    # The known mean of the unpadded images, spread over the padded area.
    assert data.inputs.mean[0] == pytest.approx(0.2860 * 28**2 / 32**2, abs=1e-4)
