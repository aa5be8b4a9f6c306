"""Data as people have it: other names, deeper folders; and where nothing fits, what is there."""

import gzip
import pickle
import struct

import numpy as np
import pytest
from scipy.io import savemat

from profl_ray.config import DataConfig
from profl_ray.errors import UserError
from profl_ray.federation import load_data

PIXELS = np.random.default_rng(0).integers(0, 256, (20, 3072), np.uint8)
LABELS = np.arange(20, dtype=np.uint8) % 10
BATCHES = (*(f"data_batch_{number}" for number in range(1, 6)), "test_batch")
BATCH = pickle.dumps({"data": PIXELS, "labels": LABELS.tolist()}, 4)


def idx(array):
    return struct.pack(f">HBB{array.ndim}I", 0, 8, array.ndim, *array.shape) + array.tobytes()


def mnist(folder, pattern, write=bytes):
    """Write four idx files; `pattern` has the places part, kind and dims."""
    for part in ("train", "t10k"):
        for kind, dims, array in (("images", 3, PIXELS[:, :784].reshape(-1, 28, 28)), ("labels", 1, LABELS)):
            path = folder / pattern.format(part=part, kind=kind, dims=dims)
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_bytes(write(idx(array)))


def cifar(folder, batches=BATCHES):
    folder.mkdir(parents=True)
    for name in batches:
        (folder / name).write_bytes(BATCH)


def refused(name, root):
    with pytest.raises(UserError) as caught:
        load_data(DataConfig(name=name, root=root))
    assert str(caught.value).isprintable()
    return str(caught.value)


@pytest.mark.parametrize(
    "pattern",
    [
        "{part}-{kind}.idx{dims}-ubyte",
        "{part}-{kind}.idx{dims}-ubyte.gz",
        "{part}_{kind}_idx{dims}_ubyte",
        "{part}-{kind}-idx{dims}-ubyte/{part}-{kind}-idx{dims}-ubyte",
        "raw/{part}-{kind}-idx{dims}-ubyte.gz",
    ],
)
def test_idx_files_under_their_other_names(tmp_path, pattern):
    folder = tmp_path / "fashion"
    mnist(folder, pattern, gzip.compress if pattern.endswith(".gz") else bytes)
    assert len(load_data(DataConfig(name="fashion_mnist", root=folder)).train_inputs) == 20


@pytest.mark.parametrize("below", ["fashion-mnist", "data/FashionMNIST/raw", "FASHION/files"])
def test_fashion_mnist_below_the_folder_and_never_a_relative_of_it(tmp_path, below):
    mnist(tmp_path / "MNIST" / "raw", "{part}-{kind}-idx{dims}-ubyte")
    assert "(it holds MNIST)" in refused("fashion_mnist", tmp_path)
    mnist(tmp_path / below, "{part}-{kind}-idx{dims}-ubyte")
    assert len(load_data(DataConfig(name="fashion_mnist", root=tmp_path)).train_inputs) == 20


@pytest.mark.parametrize("below", ["cifar10/cifar-10-batches-py", "a/b/c", "Cifar-10-Batches-Py"])
def test_cifar_below_the_folder(tmp_path, below):
    cifar(tmp_path / below)
    assert len(load_data(DataConfig(name="cifar10", root=tmp_path)).train_inputs) == 100


def test_cifar100_is_taken_from_folders_of_its_name_alone(tmp_path):
    cifar(tmp_path / "data" / "other", ("train", "test"))
    assert "not found" in refused("cifar100", tmp_path / "data")
    cifar(tmp_path / "data" / "deep" / "cifar-100-python", ("train", "test"))
    assert len(load_data(DataConfig(name="cifar100", root=tmp_path / "data")).train_inputs) == 20


def test_svhn_in_other_letters_and_below_the_folder(tmp_path):
    (tmp_path / "SVHN").mkdir()
    images = np.ascontiguousarray(PIXELS.reshape(-1, 3, 32, 32).transpose(2, 3, 1, 0))
    for name in ("Train_32x32.mat", "test_32X32.MAT"):
        savemat(tmp_path / "SVHN" / name, {"X": images, "y": LABELS[:, None] + 1}, appendmat=False)
    assert len(load_data(DataConfig(name="svhn", root=tmp_path)).train_inputs) == 20


def test_of_several_copies_one_must_be_named(tmp_path):
    cifar(tmp_path / "new")
    cifar(tmp_path / "old")
    assert f"{tmp_path} holds 2 copies of it: new, old; set data.root=FOLDER to one" in refused(
        "cifar10", tmp_path
    )


def test_an_archive_must_be_unpacked(tmp_path):
    for name in ("cifar-10-python.tar.gz", "cifar-100-python.tar.gz", "notes.txt"):
        (tmp_path / name).touch()
    assert f"looked in {tmp_path} (it holds cifar-10-python.tar.gz: unpack it); set" in refused(
        "cifar10", tmp_path
    )
    assert "cifar-100-python.tar.gz: unpack it" in refused("cifar100", tmp_path)
    assert "(a file: unpack it if it is an archive" in refused("cifar10", tmp_path / "cifar-10-python.tar.gz")


def test_what_is_nearest_is_named_with_what_it_lacks(tmp_path):
    cifar(tmp_path / "mine", [name for name in BATCHES if name != "data_batch_3"])
    assert "(it holds mine, nearest is mine, which lacks data_batch_3)" in refused("cifar10", tmp_path)
    assert "test_batch, but not data_batch_3)" in refused("cifar10", tmp_path / "mine")


def test_what_is_there_is_listed_in_short(tmp_path):
    assert "(it holds nothing)" in refused("svhn", tmp_path)
    for number in range(9):
        (tmp_path / f"file{number}").touch()
    assert "(it holds file0, file1, file2, file3, file4 and 4 more)" in refused("svhn", tmp_path)
    said = refused("svhn", tmp_path / "fil")
    assert f"(no such folder, {tmp_path} holds file0, " in said


def test_a_great_tree_is_not_searched_without_end(tmp_path):
    for first in range(15):
        for second in range(15):
            (tmp_path / f"{first:02d}" / f"{second:02d}" / "leaf").mkdir(parents=True)
    (tmp_path / "00" / "loop").symlink_to(tmp_path)
    cifar(tmp_path / "14" / "14" / "leaf" / "last")
    assert "not found" in refused("cifar10", tmp_path)


@pytest.mark.parametrize("root", ["a" * 300, "/dev/null/x"])
def test_a_folder_that_cannot_be_looked_into_is_one_line(root):
    assert "(no such folder" in refused("cifar10", root)
