import numpy as np
import pytest

from profl_ray.errors import UserError
from profl_ray.federation import ImageData, check_image_data
from profl_ray.federation.images import channel_statistics


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
    data = ImageData.measured(**arrays, source="here")
    assert data.image_shape == (2, 4, 5)
    scaled = arrays["train_images"] / 255
    np.testing.assert_allclose(data.mean, scaled.mean(axis=(0, 2, 3)))
    np.testing.assert_allclose(data.std, scaled.std(axis=(0, 2, 3)))


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
        ({"test_labels": np.zeros(3, np.int64)}, "2 test images need as many int64 labels"),
        ({"train_labels": np.array([0, 1, 2, 3, 0, 0])}, r"must lie in 0..2, not 0..3"),
        ({"train_labels": np.array([0, 1, 2, -1, 0, 0])}, r"not -1..2"),
        ({"test_images": np.zeros((2, 2, 4, 4), np.uint8)}, "differ in shape"),
        ({"train_images": np.zeros((6, 2, 4, 5), np.uint8)}, "constant"),
    ],
)
def test_a_bad_data_set_is_named(change, words):
    with pytest.raises(UserError, match=words) as caught:
        ImageData.measured(**{**_arrays(), **change}, source="data set x (/some/file)")
    assert str(caught.value).startswith("data set x (/some/file): ")


def test_check_wants_int64_labels():
    arrays = _arrays()
    arrays["train_labels"] = arrays["train_labels"].astype(np.int32)
    with pytest.raises(UserError, match="int64"):
        check_image_data(ImageData(**arrays, mean=(0.0,), std=(1.0,)), "x")
