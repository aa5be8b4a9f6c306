"""shards: sorted by label, cut in pieces, some pieces per device (McMahan et al. 2017, FedAvg)."""

import numpy as np

from profl_ray.config import SplitConfig
from profl_ray.randomness import numpy_stream


def partition_shards(
    labels: np.ndarray, _num_classes: int, num_devices: int, config: SplitConfig, seed: int
) -> list[np.ndarray]:
    """Deal each device `config.shards_per_device` random pieces of the positions sorted by label.

    The order within a class is random. The sizes of the pieces differ by at most one.
    """
    generator = numpy_stream(seed, "split", "shards")
    order = generator.permutation(len(labels))
    by_label = order[np.argsort(labels[order], kind="stable")]
    pieces = np.array_split(by_label, num_devices * config.shards_per_device)
    hands = generator.permutation(len(pieces)).reshape(num_devices, config.shards_per_device)
    return [np.concatenate([pieces[piece] for piece in hand]) for hand in hands]
