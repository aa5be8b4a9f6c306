"""Ways to deal labelled images to devices, one a file; a new one is a file here and a line in PARTITIONERS.

A partitioner takes the labels of the images to deal (int64 [n]), the number of classes and of devices, the
split's configuration and the root seed. It returns one int64 array of positions in 0..n-1 per device; every
position occurs exactly once.
"""

from collections.abc import Callable

import numpy as np

from profl_ray.config import SplitConfig
from profl_ray.federation.partitioners.dirichlet import partition_dirichlet
from profl_ray.federation.partitioners.iid import partition_iid
from profl_ray.federation.partitioners.shards import partition_shards

Partitioner = Callable[[np.ndarray, int, int, SplitConfig, int], list[np.ndarray]]

PARTITIONERS: dict[str, Partitioner] = {
    "iid": partition_iid,
    "dirichlet": partition_dirichlet,
    "shards": partition_shards,
}

__all__ = ["PARTITIONERS", "Partitioner"]
