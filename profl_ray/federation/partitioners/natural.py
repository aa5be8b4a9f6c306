"""natural: who the examples come from decides; a group (a writer, a user) is a device, or several are one."""

import numpy as np

from profl_ray.errors import UserError
from profl_ray.federation.partitioners.deal import Deal
from profl_ray.randomness import numpy_stream
from profl_ray.sections import SplitConfig


def partition_natural(deal: Deal, _config: SplitConfig) -> list[np.ndarray]:
    """Deal whole groups at random, as many to each device as to any other, or one more.

    Raises UserError for a data set without groups, and for more devices than groups.
    """
    if deal.groups is None:
        raise UserError(
            "data.split.name=natural: the data set does not say who its examples come from "
            "(allowed: iid, dirichlet, shards)"
        )
    groups, members = np.unique(deal.groups, return_inverse=True)
    if deal.num_devices > len(groups):
        raise UserError(
            f"data.split.name=natural: the data set has {len(groups)} groups, too few for "
            f"federation.num_devices={deal.num_devices} (allowed: at most {len(groups)})"
        )
    order = numpy_stream(deal.seed, "split", "natural").permutation(len(groups))
    owner = np.empty(len(groups), np.int64)
    for device, dealt in enumerate(np.array_split(order, deal.num_devices)):
        owner[dealt] = device
    by_device = np.argsort(owner[members], kind="stable")
    return np.split(by_device, np.cumsum(np.bincount(owner[members], minlength=deal.num_devices))[:-1])
