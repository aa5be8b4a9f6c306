"""A data set in memory: uint8 images and integer labels, checked once when loaded."""

from dataclasses import dataclass
from typing import Self

import numpy as np

from profl_ray.errors import UserError

_CHUNK = 4096  # images whose pixels are counted at once; bincount widens each pixel to 8 bytes


@dataclass(frozen=True, eq=False)
class ImageData:
    """Training and test images of one data set (pixels 0..255, channels first)."""

    train_images: np.ndarray
    """uint8 [num_train, C, H, W]."""
    train_labels: np.ndarray
    """int64 [num_train], each in 0..num_classes-1."""
    test_images: np.ndarray
    """uint8 [num_test, C, H, W]."""
    test_labels: np.ndarray
    """int64 [num_test], each in 0..num_classes-1."""
    num_classes: int
    mean: tuple[float, ...]
    """Mean of each channel over the training images, of pixels scaled to [0, 1]."""
    std: tuple[float, ...]
    """Standard deviation of each channel over the training images, of pixels scaled to [0, 1]."""

    @property
    def image_shape(self) -> tuple[int, int, int]:
        """Shape (C, H, W) of one image."""
        channels, height, width = self.train_images.shape[1:]
        return channels, height, width

    @classmethod
    def measured(
        cls,
        train_images: np.ndarray,
        train_labels: np.ndarray,
        test_images: np.ndarray,
        test_labels: np.ndarray,
        num_classes: int,
        source: str,
    ) -> Self:
        """Check the arrays, measure `mean` and `std` on the training images and return the data set.

        `source` names the data set and its file or folder in errors. Raises UserError as `check_image_data`.
        """
        labels = (train_labels.astype(np.int64), test_labels.astype(np.int64))
        bare = cls(train_images, labels[0], test_images, labels[1], num_classes, (), ())
        check_image_data(bare, source)
        mean, std = channel_statistics(train_images)
        if min(std) == 0:
            raise UserError(f"{source}: a channel of the training images is constant; is the file damaged?")
        return cls(train_images, labels[0], test_images, labels[1], num_classes, mean, std)


def check_image_data(data: ImageData, source: str) -> None:
    """Raise UserError, which begins with `source`, unless shapes, types and labels of `data` agree."""
    for part, images, labels in (
        ("training", data.train_images, data.train_labels),
        ("test", data.test_images, data.test_labels),
    ):
        if images.ndim != 4 or images.dtype != np.uint8 or 0 in images.shape:
            raise UserError(
                f"{source}: {part} images must be non-empty uint8 [N, C, H, W], "
                f"not {images.dtype} {list(images.shape)}"
            )
        if labels.dtype != np.int64 or labels.shape != images.shape[:1]:
            raise UserError(
                f"{source}: {len(images)} {part} images need as many int64 labels, "
                f"not {labels.dtype} {list(labels.shape)}"
            )
        if labels.min() < 0 or labels.max() >= data.num_classes:
            raise UserError(
                f"{source}: {part} labels must lie in 0..{data.num_classes - 1}, "
                f"not {labels.min()}..{labels.max()}"
            )
    if data.train_images.shape[1:] != data.test_images.shape[1:]:
        raise UserError(
            f"{source}: training images {list(data.train_images.shape[1:])} and test images "
            f"{list(data.test_images.shape[1:])} differ in shape"
        )


def channel_statistics(images: np.ndarray) -> tuple[tuple[float, ...], tuple[float, ...]]:
    """Return mean and standard deviation per channel of uint8 `images` [N, C, H, W], scaled to [0, 1].

    Pixels are counted by value, so the result is exact and needs little memory.
    """
    num_channels = images.shape[1]
    counts = np.zeros((num_channels, 256), np.int64)
    for start in range(0, len(images), _CHUNK):
        for channel in range(num_channels):
            pixels = images[start : start + _CHUNK, channel].reshape(-1)
            counts[channel] += np.bincount(pixels, minlength=256)
    values = np.arange(256) / 255
    weights = counts / counts.sum(axis=1, keepdims=True)
    mean = weights @ values
    std = np.sqrt((weights * (values - mean[:, None]) ** 2).sum(axis=1))
    return tuple(mean.tolist()), tuple(std.tolist())
