"""From stored images to batches: normalisation and augmentation."""

import numpy as np
import torch
from torch import Tensor

SHIFT = 4
"""Pixels by which a training image is shifted at most, in both directions."""


class Normaliser:
    """Turns uint8 images [N, C, H, W] into float32 tensors of mean 0 and deviation 1 per channel."""

    def __init__(self, mean: tuple[float, ...], std: tuple[float, ...]) -> None:
        self.scale = torch.tensor([1.0 / (255.0 * s) for s in std]).reshape(1, -1, 1, 1)
        self.offset = torch.tensor([-m / s for m, s in zip(mean, std, strict=True)]).reshape(1, -1, 1, 1)

    def __call__(self, images: np.ndarray) -> Tensor:
        """Return the images as float32."""
        return torch.from_numpy(images.astype(np.float32)).mul_(self.scale).add_(self.offset)


def crop_and_flip(images: Tensor, generator: np.random.Generator) -> Tensor:
    """Shift every image [N, C, H, W] by up to 4 pixels (zeros come in) and mirror half of them."""
    num_images, _, height, width = images.shape
    padded = torch.nn.functional.pad(images, (SHIFT,) * 4)
    tops, lefts = generator.integers(0, 2 * SHIFT + 1, size=(2, num_images))
    flips = generator.random(num_images) < 0.5
    shifted = torch.empty_like(images)
    for index in range(num_images):
        crop = padded[index, :, tops[index] : tops[index] + height, lefts[index] : lefts[index] + width]
        shifted[index] = crop.flip(2) if flips[index] else crop
    return shifted
