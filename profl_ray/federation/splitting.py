"""Deal the training examples to devices, after what is kept from training has been taken out."""

import numpy as np

from profl_ray.errors import UserError
from profl_ray.federation.data_split import DataSplit
from profl_ray.federation.held_out import own_test_shares, validation_part
from profl_ray.federation.partitioners import Deal, find_partitioner
from profl_ray.federation.rounding import apportion
from profl_ray.randomness import numpy_stream
from profl_ray.sections import DataConfig


def split_examples(
    labels: np.ndarray,
    num_classes: int,
    num_devices: int,
    config: DataConfig,
    seed: int,
    groups: np.ndarray | None = None,
) -> DataSplit:
    """Deal training examples with `labels` and perhaps `groups` (int64 [N]) to devices as `config` says.

    The validation part is taken out first. With `config.examples_per_device`, a random part of the rest is
    used that keeps the mix of classes. A device's own test comes out of what it was dealt. The split depends
    on `seed`, labels, groups and configuration only. Raises UserError when there are too few examples, or
    when a device would train on fewer than `config.split.min_examples`.
    """
    split = config.split
    partition = find_partitioner(split.name)
    validation = validation_part(labels, num_classes, config.validation) if config.validation else None
    left = np.arange(len(labels)) if validation is None else np.delete(np.arange(len(labels)), validation)
    chosen = left[_chosen(labels[left], num_classes, num_devices, config.examples_per_device, seed)]
    if len(chosen) < num_devices * split.min_examples:
        raise UserError(
            f"{len(chosen)} training examples are too few for federation.num_devices={num_devices} with "
            f"data.split.min_examples={split.min_examples} each: lower one of them"
            + (", or raise data.examples_per_device" if config.examples_per_device else "")
            + (", or lower data.validation" if config.validation else "")
        )
    their_groups = None if groups is None else groups[chosen]
    deal = Deal(labels[chosen], num_classes, num_devices, seed, their_groups)
    shares = partition(deal, split)
    if not _is_partition(shares, num_devices, len(chosen)):
        raise UserError(
            f"data.split.name={split.name}: does not deal every example once: {num_devices} int64 arrays of "
            f"positions from 0 to {len(chosen) - 1} are wanted"
        )
    own_tests = None
    indices = [np.sort(chosen[share]) for share in shares]
    if split.own_test:
        indices, own_tests = own_test_shares(indices, labels, num_classes, split.own_test, seed)
    result = DataSplit(indices, own_tests, validation)
    if result.sizes.min() < split.min_examples:
        raise UserError(
            f"data.split.name={split.name}: the smallest share of {num_devices} devices has "
            f"{result.sizes.min()} examples, below data.split.min_examples={split.min_examples}: lower that, "
            "federation.num_devices or data.split.shards_per_device"
            + (", or data.split.own_test" if split.own_test else "")
        )
    return result


def _chosen(
    labels: np.ndarray, num_classes: int, num_devices: int, examples_per_device: int | None, seed: int
) -> np.ndarray:
    """Return the ascending positions of the examples to deal: all, or a part with the same mix of classes."""
    if examples_per_device is None:
        return np.arange(len(labels))
    wanted = examples_per_device * num_devices
    if wanted > len(labels):
        raise UserError(
            f"data.examples_per_device={examples_per_device} for federation.num_devices={num_devices} needs "
            f"{wanted} training examples, but there are {len(labels)}: "
            f"at most {len(labels) // num_devices} per device"
        )
    generator = numpy_stream(seed, "split", "subsample")
    parts = apportion(wanted, np.bincount(labels, minlength=num_classes))
    picks = [
        generator.choice(np.flatnonzero(labels == label), part, replace=False)
        for label, part in enumerate(parts)
        if part
    ]
    return np.sort(np.concatenate(picks))


def _is_partition(shares: list[np.ndarray], num_devices: int, num_examples: int) -> bool:
    """Say whether every example is dealt exactly once."""
    if len(shares) != num_devices or any(np.asarray(share).dtype.kind not in "iu" for share in shares):
        return False
    return np.array_equal(np.sort(np.concatenate(shares)), np.arange(num_examples))
