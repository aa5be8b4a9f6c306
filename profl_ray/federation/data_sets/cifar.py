"""CIFAR-10 and CIFAR-100: 60000 colour images of 32x32 pixels, in the python or the binary version."""

from dataclasses import dataclass
from pathlib import Path

import numpy as np

from profl_ray.errors import UserError
from profl_ray.federation.data_sets.files import read_bytes
from profl_ray.federation.data_sets.folders import all_files_of
from profl_ray.federation.data_sets.pickles import read_pickled_batch
from profl_ray.federation.data_sets.places import locate_or_fetch
from profl_ray.federation.examples import Examples
from profl_ray.federation.pixels import image_examples
from profl_ray.sections import DataConfig

_PIXELS = 3 * 32 * 32


@dataclass(frozen=True)
class Layout:
    """The folder and the files of one version of a CIFAR data set."""

    folder: str
    train: tuple[str, ...]
    test: tuple[str, ...]
    label_bytes: int = 0
    """Binary version: label bytes before the pixels, the last of which counts; 0: the python version."""


_LAYOUTS = {
    "cifar10": (
        Layout("cifar-10-batches-py", tuple(f"data_batch_{i}" for i in range(1, 6)), ("test_batch",)),
        Layout(
            "cifar-10-batches-bin", tuple(f"data_batch_{i}.bin" for i in range(1, 6)), ("test_batch.bin",), 1
        ),
    ),
    "cifar100": (
        Layout("cifar-100-python", ("train",), ("test",)),
        Layout("cifar-100-binary", ("train.bin",), ("test.bin",), 2),
    ),
}


def load_cifar10(config: DataConfig) -> Examples:
    """Return CIFAR-10 [N, 3, 32, 32]; raises UserError when its files are absent or damaged."""
    return _load(config, "cifar10", 10)


def load_cifar100(config: DataConfig) -> Examples:
    """Return CIFAR-100 [N, 3, 32, 32] with its 100 fine labels; raises UserError as `load_cifar10`."""
    return _load(config, "cifar100", 100)


def _load(config: DataConfig, name: str, num_classes: int) -> Examples:
    folders = " or ".join(layout.folder for layout in _LAYOUTS[name])
    files, layout = locate_or_fetch(
        config,
        lambda base: locate(base, name),
        lambda base: fetch(base, name),
        wanted=f"the files of {folders}",
        # The names of CIFAR-100's files say little.
        belongs="cifar-?100" if name == "cifar100" else "",
        layouts=[(*layout.train, *layout.test) for layout in _LAYOUTS[name]],
    )
    num_train = len(layout.train)
    train = _read(files[:num_train], layout)
    test = _read(files[num_train:], layout)
    return image_examples(*train, *test, num_classes, f"data set {name} ({files[0].parent})")


def locate(base: Path, name: str) -> tuple[list[Path], Layout] | None:
    """Return every file of a layout of `name` in `base` or in its usual folder below, or None."""
    for layout in _LAYOUTS[name]:
        for folder in (base / layout.folder, base):
            files = all_files_of(folder, (*layout.train, *layout.test))
            if files is not None:
                return files, layout
    return None


def fetch(base: Path, name: str) -> None:
    """Download the python version into `base`; torchvision checks the archive and unpickles nothing."""
    from torchvision import datasets  # takes seconds to import

    data_set = datasets.CIFAR10 if name == "cifar10" else datasets.CIFAR100
    datasets.utils.download_and_extract_archive(
        data_set.url, str(base), filename=data_set.filename, md5=data_set.tgz_md5
    )


def _read(paths: list[Path], layout: Layout) -> tuple[np.ndarray, np.ndarray]:
    """Return uint8 images [N, 3, 32, 32] and int64 labels [N] of all files in order."""
    batches = [
        read_binary(path, layout.label_bytes) if layout.label_bytes else read_python(path) for path in paths
    ]
    return np.concatenate([batch[0] for batch in batches]), np.concatenate([batch[1] for batch in batches])


def read_binary(path: Path, label_bytes: int) -> tuple[np.ndarray, np.ndarray]:
    """Return images and labels of a .bin file: records of `label_bytes` labels and 3072 pixels.

    Raises UserError when the file's size is not a whole number of records.
    """
    content = np.frombuffer(read_bytes(path), np.uint8)
    record = label_bytes + _PIXELS
    if content.size == 0 or content.size % record:
        raise UserError(f"{path} is truncated or foreign: {content.size} bytes, not a multiple of {record}")
    records = content.reshape(-1, record)
    return records[:, label_bytes:].reshape(-1, 3, 32, 32), records[:, label_bytes - 1].astype(np.int64)


def read_python(path: Path) -> tuple[np.ndarray, np.ndarray]:
    """Return images and labels of a pickled batch; raises UserError when it is not one.

    Pixels are [N, 3072], [N, 3, 32, 32] or [N, 32, 32, 3]; labels are a list, a tuple or an array.
    """
    batch = read_pickled_batch(path)
    pixels = _pixels(batch.get("data"), path)
    labels = _labels(batch.get("fine_labels", batch.get("labels")), path)
    if len(labels) != len(pixels):
        raise UserError(f"{path}: {len(labels)} labels for {len(pixels)} images")
    return pixels, labels


def _pixels(data: object, path: Path) -> np.ndarray:
    shape = data.shape[1:] if isinstance(data, np.ndarray) and data.dtype == np.uint8 else ()
    if shape not in ((_PIXELS,), (3, 32, 32), (32, 32, 3)):
        found = f"{data.dtype} {list(data.shape)}" if isinstance(data, np.ndarray) else type(data).__name__
        has = f"has {found}" if data is not None else "has none"
        raise UserError(
            f"{path} is not a CIFAR batch: it lacks a uint8 array 'data' of [N, {_PIXELS}] "
            f"(allowed, too: [N, 3, 32, 32], [N, 32, 32, 3]; it {has})"
        )
    assert isinstance(data, np.ndarray)
    if shape == (32, 32, 3):
        return np.ascontiguousarray(data.transpose(0, 3, 1, 2))
    return data.reshape(-1, 3, 32, 32)


def _labels(labels: object, path: Path) -> np.ndarray:
    if isinstance(labels, np.ndarray) and (labels.ndim == 1 or labels.shape[1:] == (1,)):
        labels = labels.reshape(-1).tolist()
    if not isinstance(labels, list) or not all(type(label) is int for label in labels):
        raise UserError(
            f"{path} is not a CIFAR batch: it lacks whole numbers under 'labels' or 'fine_labels'"
        )
    if any(not 0 <= label < 100 for label in labels):  # a number too large for int64 must not get further
        raise UserError(f"{path}: labels must lie in 0..99")
    return np.array(labels, np.int64)
