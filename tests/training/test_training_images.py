import numpy as np
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from profl_ray.training.images import SHIFT, Normaliser, crop_and_flip


def numbered(num_images, channels, height, width):
    """Images whose pixels all differ, none of them zero."""
    count = num_images * channels * height * width
    return torch.arange(1, count + 1, dtype=torch.float32).reshape(num_images, channels, height, width)


@settings(deadline=None)
@given(st.integers(1, 5), st.integers(1, 3), st.integers(1, 9), st.integers(1, 9), st.integers(0, 2**32 - 1))
def test_every_image_is_a_window_of_its_padded_self(num_images, channels, height, width, seed):
    images = numbered(num_images, channels, height, width)
    before = images.clone()
    shifted = crop_and_flip(images, np.random.default_rng(seed))
    assert shifted.shape == images.shape and shifted.dtype == images.dtype
    assert torch.equal(images, before)
    padded = torch.nn.functional.pad(images, (SHIFT,) * 4)
    for original, result in zip(padded, shifted, strict=True):
        windows = [
            window
            for top in range(2 * SHIFT + 1)
            for left in range(2 * SHIFT + 1)
            for crop in [original[:, top : top + height, left : left + width]]
            for window in (crop, crop.flip(2))
        ]
        assert any(torch.equal(window, result) for window in windows)


def test_the_same_generator_gives_the_same_images_and_another_gives_others():
    images = numbered(8, 1, 8, 8)
    first, again, other = (crop_and_flip(images, np.random.default_rng(seed)) for seed in (1, 1, 2))
    assert torch.equal(first, again) and not torch.equal(first, other)


def test_all_shifts_and_both_orientations_occur():
    images = torch.zeros(2000, 1, 9, 9)
    images[:, 0, 4, 4] = 1.0  # the middle pixel stays inside, and tells the shift
    images[:, 0, 4, 5] = 2.0
    shifted = crop_and_flip(images, np.random.default_rng(0))
    places = {tuple(place) for place in (shifted[:, 0] == 1).nonzero()[:, 1:].tolist()}
    assert len(places) == (2 * SHIFT + 1) ** 2
    ones, twos = ((shifted == value).flatten(1).float().argmax(1) for value in (1, 2))
    inside = (shifted == 2).flatten(1).any(1)
    flipped = (twos - ones)[inside] == -1
    assert 0.4 < flipped.float().mean() < 0.6


def test_normalised_images_have_mean_zero_and_deviation_one():
    pixels = np.random.default_rng(0).integers(0, 256, (50, 3, 4, 4), dtype=np.uint8)
    scaled = pixels / 255
    mean, std = scaled.mean(axis=(0, 2, 3)), scaled.std(axis=(0, 2, 3))
    images = Normaliser(tuple(mean), tuple(std))(pixels)
    assert images.dtype == torch.float32
    torch.testing.assert_close(images.mean(dim=(0, 2, 3)), torch.zeros(3), atol=1e-5, rtol=0)
    torch.testing.assert_close(images.std(dim=(0, 2, 3), correction=0), torch.ones(3), atol=1e-5, rtol=0)
