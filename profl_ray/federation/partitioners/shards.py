"""shards: sorted by label, cut in pieces, some pieces per device (McMahan et al. 2017, FedAvg)."""

import numpy as np

from profl_ray.federation.partitioners.deal import Deal
from profl_ray.randomness import numpy_stream
from profl_ray.sections import SplitConfig


def partition_shards(deal: Deal, config: SplitConfig) -> list[np.ndarray]:
    """Deal each device `config.shards_per_device` random pieces of the positions sorted by label.

    The order within a class is random. The sizes of the pieces differ by at most one.
    """
    generator = numpy_stream(deal.seed, "split", "shards")
    order = generator.permutation(len(deal.labels))
    by_label = order[np.argsort(deal.labels[order], kind="stable")]
    pieces = np.array_split(by_label, deal.num_devices * config.shards_per_device)
    hands = generator.permutation(len(pieces)).reshape(deal.num_devices, config.shards_per_device)
    return [np.concatenate([pieces[piece] for piece in hand]) for hand in hands]
