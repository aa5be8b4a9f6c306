import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from profl_ray.errors import UserError
from profl_ray.federation import Pixels, image_examples
from profl_ray.federation.pixels import SHIFT, channel_statistics

IDENTITY = Pixels((0.0,), (1.0,))


def _arrays(num_train=6, num_test=2, num_classes=3):
    generator = np.random.default_rng(0)
    return {
        "train_images": generator.integers(0, 256, (num_train, 2, 4, 5), np.uint8),
        "train_labels": np.arange(num_train) % num_classes,
        "test_images": generator.integers(0, 256, (num_test, 2, 4, 5), np.uint8),
        "test_labels": np.arange(num_test) % num_classes,
        "num_classes": num_classes,
    }


def test_measured_knows_shape_and_statistics():
    arrays = _arrays()
    data = image_examples(**arrays, source="here")
    assert data.input_shape == (2, 4, 5)
    scaled = arrays["train_images"] / 255
    np.testing.assert_allclose(data.inputs.mean, scaled.mean(axis=(0, 2, 3)))
    np.testing.assert_allclose(data.inputs.std, scaled.std(axis=(0, 2, 3)))


def test_statistics_over_several_chunks():
    images = np.random.default_rng(1).integers(0, 256, (9000, 1, 2, 2), np.uint8)
    mean, std = channel_statistics(images)
    np.testing.assert_allclose([*mean, *std], [(images / 255).mean(), (images / 255).std()])


@pytest.mark.parametrize(
    ("change", "words"),
    [
        ({"train_images": np.zeros((6, 4, 5), np.uint8)}, "training images must be non-empty uint8"),
        ({"test_images": np.zeros((2, 2, 4, 5), np.float32)}, r"not float32 \[2, 2, 4, 5\]"),
        ({"train_images": np.zeros((0, 2, 4, 5), np.uint8)}, "non-empty"),
        ({"test_labels": np.zeros(3, np.int64)}, "2 test examples need as many int64 labels"),
        ({"train_labels": np.array([0, 1, 2, 3, 0, 0])}, r"must lie in 0..2, not 0..3"),
        ({"train_labels": np.array([0, 1, 2, -1, 0, 0])}, r"not -1..2"),
        ({"test_images": np.zeros((2, 2, 4, 4), np.uint8)}, r"\[2, 4, 4\] differ"),
        ({"train_images": np.zeros((6, 2, 4, 5), np.uint8)}, "constant"),
    ],
)
def test_a_bad_data_set_is_named(change, words):
    with pytest.raises(UserError, match=words) as caught:
        image_examples(**{**_arrays(), **change}, source="data set x (/some/file)")
    assert str(caught.value).startswith("data set x (/some/file): ")


def numbered(num_images, channels, height, width):
    """Images whose pixels all differ, none of them zero."""
    count = num_images * channels * height * width
    return torch.arange(1, count + 1, dtype=torch.float32).reshape(num_images, channels, height, width)


@settings(deadline=None)
@given(st.integers(1, 5), st.integers(1, 3), st.integers(1, 9), st.integers(1, 9), st.integers(0, 2**32 - 1))
def test_every_image_is_a_window_of_its_padded_self(num_images, channels, height, width, seed):
    images = numbered(num_images, channels, height, width)
    before = images.clone()
    shifted = IDENTITY.augmented(images, np.random.default_rng(seed))
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
    first, again, other = (IDENTITY.augmented(images, np.random.default_rng(seed)) for seed in (1, 1, 2))
    assert torch.equal(first, again) and not torch.equal(first, other)


def test_all_shifts_and_both_orientations_occur():
    images = torch.zeros(2000, 1, 9, 9)
    images[:, 0, 4, 4] = 1.0  # the middle pixel stays inside, and tells the shift
    images[:, 0, 4, 5] = 2.0
    shifted = IDENTITY.augmented(images, np.random.default_rng(0))
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
    images = Pixels(tuple(mean.tolist()), tuple(std.tolist())).tensor(pixels)
    assert images.dtype == torch.float32
    torch.testing.assert_close(images.mean(dim=(0, 2, 3)), torch.zeros(3), atol=1e-5, rtol=0)
    torch.testing.assert_close(images.std(dim=(0, 2, 3), correction=0), torch.ones(3), atol=1e-5, rtol=0)
