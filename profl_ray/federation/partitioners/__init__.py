"""Ways to deal examples to devices, one a file; a new one is a file here and a line in PARTITIONERS.

A partitioner takes the n examples to deal, by their labels and groups, and the split's configuration. It
returns one int64 array of positions in 0..n-1 per device; every position occurs exactly once.
"""

from collections.abc import Callable

import numpy as np

from profl_ray.config import SplitConfig
from profl_ray.federation.partitioners.deal import Deal
from profl_ray.federation.partitioners.dirichlet import partition_dirichlet
from profl_ray.federation.partitioners.iid import partition_iid
from profl_ray.federation.partitioners.natural import partition_natural
from profl_ray.federation.partitioners.shards import partition_shards

Partitioner = Callable[[Deal, SplitConfig], list[np.ndarray]]

PARTITIONERS: dict[str, Partitioner] = {
    "iid": partition_iid,
    "dirichlet": partition_dirichlet,
    "shards": partition_shards,
    "natural": partition_natural,
}

__all__ = ["PARTITIONERS", "Deal", "Partitioner"]
