"""Fashion-MNIST: 70000 grey images of clothes, 10 classes, zero-padded from 28x28 to 32x32."""

from pathlib import Path

import numpy as np

from profl_ray.federation.data_sets.folders import all_files_of
from profl_ray.federation.data_sets.idx import read_idx
from profl_ray.federation.data_sets.places import locate_or_fetch
from profl_ray.federation.examples import Examples
from profl_ray.federation.pixels import image_examples
from profl_ray.sections import DataConfig

DEBIAN_FOLDER = Path("/usr/share/datasets/fashion-mnist")
"""Where Debian's package dataset-fashion-mnist puts the files."""

_NAMES = (
    "train-images-idx3-ubyte",
    "train-labels-idx1-ubyte",
    "t10k-images-idx3-ubyte",
    "t10k-labels-idx1-ubyte",
)
_SUFFIXES = ("", ".gz")
_BELONGS = r"fashion(?!.*/[keq]?mnist(/|$))"
"""MNIST and its other relatives have files of the same names."""


def load_fashion_mnist(config: DataConfig) -> Examples:
    """Return Fashion-MNIST [N, 1, 32, 32] from idx files, gzipped or plain, of any usual folder layout.

    Raises UserError when the files are absent or damaged.
    """
    paths = locate_or_fetch(
        config,
        locate,
        fetch,
        wanted=f"the files {_NAMES[0]}[.gz], ...",
        usual=[DEBIAN_FOLDER],
        hint=", or install the Debian package dataset-fashion-mnist",
        belongs=_BELONGS,
        layouts=[_NAMES],
        suffixes=_SUFFIXES,
    )
    train_images, train_labels, test_images, test_labels = (
        read_idx(path, num_dims) for path, num_dims in zip(paths, (3, 1, 3, 1), strict=True)
    )
    return image_examples(
        _padded(train_images),
        train_labels,
        _padded(test_images),
        test_labels,
        10,
        f"data set fashion_mnist ({paths[0].parent})",
    )


def locate(base: Path) -> list[Path] | None:
    """Return the four idx files in `base`, or in torchvision's layout below it; None if any is absent."""
    for folder in (base, base / "FashionMNIST" / "raw"):
        paths = all_files_of(folder, _NAMES, _SUFFIXES)
        if paths is not None:
            return paths
    return None


def fetch(base: Path) -> None:
    """Download the files into `base`/FashionMNIST/raw."""
    from torchvision.datasets import FashionMNIST  # takes seconds to import

    FashionMNIST(str(base), download=True)


def _padded(images: np.ndarray) -> np.ndarray:
    """Pad [N, 28, 28] by 2 black pixels on each side to [N, 1, 32, 32], a size that halves five times."""
    return np.pad(images, ((0, 0), (2, 2), (2, 2)))[:, None]
