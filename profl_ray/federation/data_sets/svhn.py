"""SVHN: about 99000 colour images of house numbers, 32x32 pixels, 10 classes, in two MATLAB files."""

from pathlib import Path

import numpy as np

from profl_ray.errors import UserError
from profl_ray.federation.data_sets.files import read_bytes
from profl_ray.federation.data_sets.folders import all_files_of
from profl_ray.federation.data_sets.matlab import read_arrays
from profl_ray.federation.data_sets.places import locate_or_fetch
from profl_ray.federation.examples import Examples
from profl_ray.federation.pixels import image_examples
from profl_ray.sections import DataConfig

_NAMES = ("train_32x32.mat", "test_32x32.mat")


def load_svhn(config: DataConfig) -> Examples:
    """Return SVHN [N, 3, 32, 32], digit 0 as label 0; raises UserError when files are absent or damaged."""
    paths = locate_or_fetch(
        config, locate, fetch, wanted=f"the files {' and '.join(_NAMES)}", belongs="", layouts=[_NAMES]
    )
    train, test = map(read_svhn, paths)
    return image_examples(*train, *test, 10, f"data set svhn ({paths[0].parent})")


def locate(base: Path) -> list[Path] | None:
    """Return both files in `base`; None if any is absent."""
    return all_files_of(base, _NAMES)


def fetch(base: Path) -> None:
    """Download both files into `base`; torchvision gives addresses and checksums."""
    from torchvision import datasets  # takes seconds to import

    for part in ("train", "test"):
        url, file_name, md5 = datasets.SVHN.split_list[part]
        datasets.utils.download_url(url, str(base), file_name, md5)


def read_svhn(path: Path) -> tuple[np.ndarray, np.ndarray]:
    """Return uint8 images [N, 3, 32, 32] and int64 labels [N] of a .mat file, whose label 10 is the digit 0.

    Raises UserError, which names the file, when it is not such a file.
    """
    try:
        arrays = read_arrays(read_bytes(path))
        images, labels = arrays["X"], arrays["y"].reshape(-1)
    except KeyError as error:
        raise UserError(f"{path} is not a readable SVHN file: it lacks the array {error}") from error
    except (ValueError, OverflowError) as error:
        raise UserError(f"{path} is not a readable SVHN file: {error}") from error
    if images.ndim != 4 or images.shape[:3] != (32, 32, 3) or images.dtype != np.uint8:
        raise UserError(f"{path}: X must be uint8 [32, 32, 3, N], not {images.dtype} {list(images.shape)}")
    if labels.dtype.kind not in "ui" or not np.isin(labels, range(1, 11)).all():
        raise UserError(f"{path}: labels y must be whole numbers in 1..10")
    return np.ascontiguousarray(images.transpose(3, 2, 0, 1)), labels.astype(np.int64) % 10
