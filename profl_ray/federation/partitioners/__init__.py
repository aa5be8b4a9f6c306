"""Ways to deal examples to devices, one a file; a new one is a file here and a line in PARTITIONERS, or is
named where it lies.

A partitioner takes the n examples to deal, by their labels and groups, and the split's configuration. It
returns one int64 array of positions in 0..n-1 per device; every position occurs exactly once.
"""

from collections.abc import Callable
from typing import cast

import numpy as np

from profl_ray.errors import UserError, unknown_name
from profl_ray.federation.partitioners.deal import Deal
from profl_ray.federation.partitioners.dirichlet import partition_dirichlet
from profl_ray.federation.partitioners.iid import partition_iid
from profl_ray.federation.partitioners.natural import partition_natural
from profl_ray.federation.partitioners.shards import partition_shards
from profl_ray.plugins import is_reference, load
from profl_ray.sections import SplitConfig

Partitioner = Callable[[Deal, SplitConfig], list[np.ndarray]]

PARTITIONERS: dict[str, Partitioner] = {
    "iid": partition_iid,
    "dirichlet": partition_dirichlet,
    "shards": partition_shards,
    "natural": partition_natural,
}

__all__ = ["PARTITIONERS", "Deal", "Partitioner", "find_partitioner"]


def find_partitioner(name: str) -> Partitioner:
    """Return the partitioner of that name, or the function that FILE.py:NAME or package.module:NAME names.

    Raises UserError for an unknown name, and for what is no function.
    """
    if not is_reference(name):
        if name not in PARTITIONERS:
            raise unknown_name("split", name, PARTITIONERS)
        return PARTITIONERS[name]
    found = load(name, "data.split.name")
    if not callable(found):
        raise UserError(f"data.split.name={name}: is no partitioner (profl_ray/federation/partitioners)")
    return cast(Partitioner, found)
