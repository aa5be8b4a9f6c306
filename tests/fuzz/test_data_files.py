"""Data sets and quota files that were damaged: read as they are, or refused with one line."""

import gzip
import io
import pickle
import struct

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from scipy.io import savemat

from profl_ray.config import DataConfig, QuotaConfig
from profl_ray.federation import Examples, draw_quotas, load_data

from .kit import attempt
from .values import NASTY, damaged

pytestmark = pytest.mark.filterwarnings("ignore")
NUM_IMAGES = 12


def idx(array):
    return struct.pack(f">HBB{array.ndim}I", 0, 8, array.ndim, *array.shape) + array.tobytes()


def pixels(*shape):
    return np.random.default_rng(0).integers(0, 256, shape, np.uint8)


LABELS = np.arange(NUM_IMAGES, dtype=np.uint8) % 10
MNIST = {
    "train-images-idx3-ubyte": idx(pixels(NUM_IMAGES, 28, 28)),
    "train-labels-idx1-ubyte": idx(LABELS),
    "t10k-images-idx3-ubyte": idx(pixels(NUM_IMAGES, 28, 28)),
    "t10k-labels-idx1-ubyte": idx(LABELS),
}
BATCH = pickle.dumps({b"data": pixels(NUM_IMAGES, 3072), b"labels": LABELS.tolist()}, protocol=3)
BATCHES = (*(f"data_batch_{number}" for number in range(1, 6)), "test_batch")
CIFAR = {f"cifar-10-batches-py/{name}": BATCH for name in BATCHES}
RECORDS = b"".join(bytes([label]) + pixels(3072).tobytes() for label in LABELS)
BINARY = {f"cifar-10-batches-bin/{name}.bin": RECORDS for name in BATCHES}


def matlab():
    file = io.BytesIO()
    savemat(file, {"X": pixels(32, 32, 3, NUM_IMAGES), "y": (LABELS + 1)[:, None]})
    return file.getvalue()


SVHN = dict.fromkeys(("train_32x32.mat", "test_32x32.mat"), matlab())


def write(root, files):
    for path, content in files.items():
        (root / path).parent.mkdir(exist_ok=True)
        (root / path).write_bytes(content)
    return root


def read(tmp_path_factory, area, name, files):
    root = write(tmp_path_factory.mktemp("data"), files)
    data = attempt(area, lambda: load_data(DataConfig(name=name, root=root)))
    if data is not None:
        assert_whole(data)


def assert_whole(data):
    """Whatever was taken is fit to train on."""
    assert isinstance(data, Examples)
    for images, labels in ((data.train_inputs, data.train_labels), (data.test_inputs, data.test_labels)):
        assert images.dtype == np.uint8 and images.shape[1:] == data.input_shape
        assert len(images) == len(labels) > 0
        assert labels.min() >= 0 and labels.max() < data.num_classes
    assert np.isfinite(data.inputs.mean).all() and np.isfinite(data.inputs.std).all()


@pytest.mark.parametrize(
    ("name", "files"),
    [("fashion_mnist", MNIST), ("cifar10", CIFAR), ("cifar10", BINARY), ("svhn", SVHN)],
    ids=["idx", "pickles", "binary", "matlab"],
)
def test_the_undamaged_files_are_taken(tmp_path, name, files):
    assert_whole(load_data(DataConfig(name=name, root=write(tmp_path, files))))


@given(st.sampled_from(sorted(MNIST)), st.booleans(), st.data())
def test_idx_files(tmp_path_factory, hurt, zipped, data):
    content = {name: gzip.compress(raw, mtime=0) if zipped else raw for name, raw in MNIST.items()}
    content[hurt] = data.draw(damaged(content[hurt]))
    suffix = ".gz" if zipped else ""
    read(tmp_path_factory, "idx files", "fashion_mnist", {f"{n}{suffix}": raw for n, raw in content.items()})


@given(
    st.lists(st.integers(0, 2**32 - 1) | st.integers(0, 30), max_size=5),
    st.integers(0, 255),
    st.binary(max_size=64),
)
def test_idx_headers(tmp_path_factory, shape, kind, content):
    header = struct.pack(f">HBB{len(shape)}I", 0, kind, len(shape), *shape)
    files = MNIST | {"train-images-idx3-ubyte": header + content}
    read(tmp_path_factory, "idx files", "fashion_mnist", files)


@given(st.sampled_from(sorted(CIFAR)), damaged(BATCH))
def test_damaged_pickles(tmp_path_factory, hurt, content):
    read(tmp_path_factory, "CIFAR pickles", "cifar10", CIFAR | {hurt: content})


@given(
    st.dictionaries(
        st.sampled_from([b"data", b"labels", "data", "labels", b"fine_labels"]),
        st.none()
        | st.lists(st.integers(-3, 300) | st.none() | st.text(max_size=3), max_size=14)
        | st.binary(max_size=20)
        | st.sampled_from(
            [pixels(NUM_IMAGES, 3072), pixels(NUM_IMAGES, 3071), pixels(3072), pixels(0, 3072)]
        ),
    )
    | st.lists(st.integers())
    | st.text(),
    st.integers(0, 5),
)
def test_other_pickles(tmp_path_factory, value, protocol):
    read(
        tmp_path_factory,
        "CIFAR pickles",
        "cifar10",
        CIFAR | {sorted(CIFAR)[0]: pickle.dumps(value, protocol)},
    )


@given(st.sampled_from(sorted(BINARY)), damaged(RECORDS))
def test_binary_batches(tmp_path_factory, hurt, content):
    read(tmp_path_factory, "CIFAR binary files", "cifar10", BINARY | {hurt: content})


@given(st.sampled_from(sorted(SVHN)), damaged(SVHN["train_32x32.mat"]))
def test_matlab_files(tmp_path_factory, hurt, content):
    read(tmp_path_factory, "SVHN MATLAB files", "svhn", SVHN | {hurt: content})


LINES = (
    st.sampled_from((*NASTY, "12.5", "100", "0.5", "7 # seven")) | st.floats().map(str) | st.text(max_size=12)
)


@given(
    st.lists(LINES, max_size=6).map(lambda lines: "\n".join(lines).encode(errors="surrogatepass"))
    | st.binary(max_size=60),
    st.integers(1, 4),
)
def test_quota_files(tmp_path_factory, content, num_devices):
    path = tmp_path_factory.mktemp("quotas") / "quotas.txt"
    path.write_bytes(content)
    config = QuotaConfig(name="file", path=path)
    quotas = attempt("quota files", lambda: draw_quotas(config, num_devices, 0, 10.0))
    if quotas is not None:
        assert quotas.shape == (num_devices,) and np.isfinite(quotas).all() and (quotas > 0).all()
