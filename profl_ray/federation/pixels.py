"""Images as examples: uint8 pixels, normalised per channel, shifted and mirrored where that is wanted."""

from dataclasses import dataclass

import numpy as np
import torch
from torch import Tensor

from profl_ray.errors import UserError
from profl_ray.federation.examples import Examples, check_examples

SHIFT = 4
"""Pixels by which a training image is shifted at most, in both directions."""
_CHUNK = 4096  # images whose pixels are counted at once; bincount widens each pixel to 8 bytes


@dataclass(frozen=True)
class Pixels:
    """uint8 [N, C, H, W] -> float32 [N, C, H, W] of mean 0 and deviation 1 per channel."""

    mean: tuple[float, ...]
    """Mean of each channel over the training images, of pixels scaled to [0, 1]."""
    std: tuple[float, ...]
    """Standard deviation of each channel over the training images, of pixels scaled to [0, 1]."""

    def tensor(self, stored: np.ndarray) -> Tensor:
        """Return the normalised images."""
        scale = torch.tensor([1.0 / (255.0 * std) for std in self.std]).reshape(1, -1, 1, 1)
        offset = torch.tensor([-mean / std for mean, std in zip(self.mean, self.std, strict=True)])
        images = torch.from_numpy(stored.astype(np.float32))
        return images.mul_(scale).add_(offset.reshape(1, -1, 1, 1))

    def augmented(self, batch: Tensor, draw: np.random.Generator) -> Tensor:
        """Shift every image by up to 4 pixels (zeros come in) and mirror half of them."""
        num_images, _, height, width = batch.shape
        padded = torch.nn.functional.pad(batch, (SHIFT,) * 4)
        tops, lefts = draw.integers(0, 2 * SHIFT + 1, size=(2, num_images))
        flips = draw.random(num_images) < 0.5
        shifted = torch.empty_like(batch)
        for index in range(num_images):
            crop = padded[index, :, tops[index] : tops[index] + height, lefts[index] : lefts[index] + width]
            shifted[index] = crop.flip(2) if flips[index] else crop
        return shifted


def image_examples(
    train_images: np.ndarray,
    train_labels: np.ndarray,
    test_images: np.ndarray,
    test_labels: np.ndarray,
    num_classes: int,
    source: str,
    train_groups: np.ndarray | None = None,
) -> Examples:
    """Check images (uint8 [N, C, H, W]) and labels, measure the channels of the training images, return all.

    `source` names the data set and its file or folder in errors. Raises UserError as `check_examples`, and
    for a channel that is constant.
    """
    for part, images in (("training", train_images), ("test", test_images)):
        if images.ndim != 4 or images.dtype != np.uint8 or 0 in images.shape:
            raise UserError(
                f"{source}: {part} images must be non-empty uint8 [N, C, H, W], "
                f"not {images.dtype} {list(images.shape)}"
            )
    mean, std = channel_statistics(train_images)
    data = Examples(
        train_images,
        train_labels.astype(np.int64),
        test_images,
        test_labels.astype(np.int64),
        num_classes,
        Pixels(mean, std),
        train_groups,
    )
    check_examples(data, source)
    if min(std) == 0:
        raise UserError(f"{source}: a channel of the training images is constant; is the file damaged?")
    return data


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
