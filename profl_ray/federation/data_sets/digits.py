"""Digits: 1797 handwritten digits of 8x8 pixels that come with scikit-learn, so nothing is downloaded."""

import numpy as np

from profl_ray.federation.examples import Examples
from profl_ray.federation.pixels import image_examples
from profl_ray.randomness import numpy_stream
from profl_ray.sections import DataConfig

_TEST_SHARE = 0.2
_SPLIT_SEED = 0  # the test images are part of the data set: the same for every experiment's seed


def load_digits(_config: DataConfig) -> Examples:
    """Return the digits [N, 1, 8, 8], grey levels 0..16 spread to 0..255; 20 % of each class are for test.

    Both parts keep scikit-learn's order, in which the classes are mixed.
    """
    from sklearn import datasets  # takes seconds to import

    digits = datasets.load_digits()
    images = np.rint(digits.images * (255 / 16)).astype(np.uint8)[:, None]
    labels = digits.target.astype(np.int64)
    generator = numpy_stream(_SPLIT_SEED, "digits", "test split")
    is_test = np.zeros(len(labels), bool)
    for label in range(10):
        members = generator.permutation(np.flatnonzero(labels == label))
        is_test[members[: round(_TEST_SHARE * len(members))]] = True
    return image_examples(
        images[~is_test],
        labels[~is_test],
        images[is_test],
        labels[is_test],
        10,
        "data set digits (scikit-learn)",
    )
