"""iid: random shares of equal size."""

import numpy as np

from profl_ray.config import SplitConfig
from profl_ray.randomness import numpy_stream


def partition_iid(
    labels: np.ndarray, _num_classes: int, num_devices: int, _config: SplitConfig, seed: int
) -> list[np.ndarray]:
    """Deal all positions at random, regardless of label; the sizes of the shares differ by at most one."""
    order = numpy_stream(seed, "split", "iid").permutation(len(labels))
    return np.array_split(order, num_devices)
