"""iid: random shares of equal size."""

import numpy as np

from profl_ray.federation.partitioners.deal import Deal
from profl_ray.randomness import numpy_stream
from profl_ray.sections import SplitConfig


def partition_iid(deal: Deal, _config: SplitConfig) -> list[np.ndarray]:
    """Deal all positions at random, regardless of label; the sizes of the shares differ by at most one."""
    order = numpy_stream(deal.seed, "split", "iid").permutation(len(deal.labels))
    return np.array_split(order, deal.num_devices)
