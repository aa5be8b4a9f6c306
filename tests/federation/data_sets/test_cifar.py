import pickle

import numpy as np
import pytest

from profl_ray.config import DataConfig
from profl_ray.errors import UserError
from profl_ray.federation import load_data
from profl_ray.federation.data_sets.cifar import _LAYOUTS, read_binary, read_python

PER_FILE = 4


def _write(base, layout, labels_key, num_classes):
    """Write a small data set of `layout`; the n-th image's pixels and label are functions of n."""
    folder = base / layout.folder
    folder.mkdir(parents=True)
    for place, file in enumerate((*layout.train, *layout.test)):
        numbers = np.arange(PER_FILE) + PER_FILE * place
        pixels = (numbers[:, None] + np.arange(3072)).astype(np.uint8)
        labels = numbers % num_classes
        if layout.label_bytes:
            coarse = np.full((PER_FILE, layout.label_bytes - 1), 99, np.uint8)
            content = np.hstack([coarse, labels[:, None].astype(np.uint8), pixels]).tobytes()
        else:
            content = pickle.dumps({"data": pixels, labels_key: labels.tolist()}, protocol=4)
        (folder / file).write_bytes(content)
    return folder


@pytest.mark.parametrize("version", [0, 1])
@pytest.mark.parametrize("inside", [False, True])
@pytest.mark.parametrize(
    ("name", "key", "num_classes"), [("cifar10", "labels", 10), ("cifar100", "fine_labels", 100)]
)
def test_every_layout_is_read(tmp_path, version, inside, name, key, num_classes):
    layout = _LAYOUTS[name][version]
    folder = _write(tmp_path, layout, key, num_classes)
    data = load_data(DataConfig(name=name, root=folder if inside else tmp_path))
    num_train = PER_FILE * len(layout.train)
    assert data.num_classes == num_classes and data.input_shape == (3, 32, 32)
    assert data.train_labels.tolist() == [n % num_classes for n in range(num_train)]
    assert data.test_labels.tolist() == [n % num_classes for n in range(num_train, num_train + PER_FILE)]
    expected = (2 + np.arange(3072)).astype(np.uint8).reshape(3, 32, 32)
    np.testing.assert_array_equal(data.train_inputs[2], expected)
    assert data.train_inputs.flags.writeable and data.train_labels.dtype == np.int64


@pytest.mark.parametrize("protocol", range(6))
@pytest.mark.parametrize(
    "labels", [list, tuple, np.array, lambda y: np.array(y)[:, None], lambda y: [*np.array(y)]]
)
def test_batches_as_people_pickle_them(tmp_path, protocol, labels):
    pixels = np.arange(2 * 3072).astype(np.uint8).reshape(2, 3072)
    planes = pixels.reshape(2, 3, 32, 32)
    path = tmp_path / "data_batch_1"
    for data in (pixels, planes, planes.transpose(0, 2, 3, 1), np.asfortranarray(pixels)):
        path.write_bytes(
            pickle.dumps({b"batch_label": b"", b"data": data, b"labels": labels([7, 3])}, protocol)
        )
        images, read = read_python(path)
        np.testing.assert_array_equal(images, planes)
        assert read.tolist() == [7, 3] and read.dtype == np.int64


def test_an_absent_file_is_an_absent_data_set(tmp_path):
    folder = _write(tmp_path, _LAYOUTS["cifar10"][0], "labels", 10)
    (folder / "data_batch_3").unlink()
    with pytest.raises(
        UserError, match=r"cifar10: the files of cifar-10-batches-py or .*not found, looked in"
    ):
        load_data(DataConfig(name="cifar10", root=tmp_path))


def test_a_malicious_batch_is_refused(tmp_path):
    folder = _write(tmp_path, _LAYOUTS["cifar10"][0], "labels", 10)
    (folder / "data_batch_3").write_bytes(b"cbuiltins\nexec\n(Vraise SystemExit\ntR.")
    with pytest.raises(UserError, match=r"data_batch_3 .*asks for builtins.exec"):
        load_data(DataConfig(name="cifar10", root=tmp_path))


def test_labels_out_of_range_are_named(tmp_path):
    folder = _write(tmp_path, _LAYOUTS["cifar10"][0], "labels", 10)
    data = np.zeros((1, 3072), np.uint8)
    (folder / "test_batch").write_bytes(pickle.dumps({"data": data, "labels": [10]}, 4))
    with pytest.raises(UserError, match=r"data set cifar10 \(.*\): test labels must lie in 0..9, not 10..10"):
        load_data(DataConfig(name="cifar10", root=tmp_path))


@pytest.mark.parametrize(
    ("batch", "words"),
    [
        ({"labels": [1]}, "lacks a uint8 array 'data'"),
        ({"data": np.zeros((2, 5), np.uint8), "labels": [1, 2]}, "lacks a uint8 array 'data'"),
        ({"data": np.zeros((2, 3072), np.uint8)}, "lacks whole numbers"),
        ({"data": np.zeros((2, 3072), np.uint8), "labels": [1, "x"]}, "lacks whole numbers"),
        ({"data": np.zeros((2, 3072), np.uint8), "labels": [1]}, "1 labels for 2 images"),
        ({"data": np.zeros((1, 3072), np.uint8), "labels": [2**70]}, "labels must lie in"),
        ({"data": np.zeros((1, 3072), np.uint8), "labels": np.array([-1])}, "labels must lie in"),
        ({"data": np.zeros((1, 3072), np.uint8), "labels": np.array([100], np.uint64)}, "labels must lie in"),
        ({"data": np.zeros((1, 3072), np.uint8), "labels": np.array([1.0])}, "its labels are of f8"),
        ({"data": np.zeros((1, 3072)), "labels": [1]}, "its data are of f8"),
        (
            {"data": np.zeros((1, 3072), np.int16), "labels": [1]},
            r"lacks a uint8 array 'data' .*has int16 \[1",
        ),
        ({"data": np.zeros((1, 32, 3, 32), np.uint8), "labels": [1]}, r"has uint8 \[1, 32, 3, 32\]"),
    ],
)
def test_other_pickles_are_named(tmp_path, batch, words):
    path = tmp_path / "data_batch_1"
    path.write_bytes(pickle.dumps(batch, 4))
    with pytest.raises(UserError, match=f"data_batch_1.*{words}"):
        read_python(path)


@pytest.mark.parametrize("size", [0, 3072, 3073 * 2 - 1])
def test_a_truncated_binary_file_is_named(tmp_path, size):
    path = tmp_path / "test_batch.bin"
    path.write_bytes(bytes(size))
    with pytest.raises(UserError, match=f"test_batch.bin is truncated or foreign: {size} bytes"):
        read_binary(path, 1)
