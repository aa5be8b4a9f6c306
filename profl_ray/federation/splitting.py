"""Which device holds which training images."""

from collections.abc import Sequence
from dataclasses import dataclass
from hashlib import sha256
from typing import Any, overload

import numpy as np

from profl_ray.config import DataConfig
from profl_ray.errors import UserError, unknown_name
from profl_ray.federation.partitioners import PARTITIONERS
from profl_ray.federation.rounding import apportion
from profl_ray.randomness import numpy_stream


class Shares(Sequence[np.ndarray]):
    """Arrays of indices that lie end to end in one: 100,000 devices are two arrays, not as many objects.

    It is what travels to every client actor; a share is cut out when it is asked for.
    """

    def __init__(self, shares: Sequence[np.ndarray]) -> None:
        self.flat = np.concatenate(shares)
        """int64 [images of all devices]."""
        self.starts = np.concatenate([[0], np.cumsum([len(share) for share in shares])])
        """int64 [num_devices + 1]: device d holds flat[starts[d]:starts[d + 1]]."""

    def __len__(self) -> int:
        return len(self.starts) - 1

    @overload
    def __getitem__(self, device: int) -> np.ndarray: ...

    @overload
    def __getitem__(self, device: slice) -> list[np.ndarray]: ...

    def __getitem__(self, device: int | slice) -> np.ndarray | list[np.ndarray]:
        if isinstance(device, slice):
            return [self[number] for number in range(*device.indices(len(self)))]
        number = range(len(self))[device]  # IndexError and negative numbers as ever.
        return self.flat[self.starts[number] : self.starts[number + 1]]


@dataclass(frozen=True, eq=False)
class DataSplit:
    """The training images of each device, by index; disjoint."""

    indices: Sequence[np.ndarray]
    """Per device: int64 [num_images of the device], ascending. Kept as `Shares`, whatever it is given as."""

    def __post_init__(self) -> None:
        if not isinstance(self.indices, Shares):
            object.__setattr__(self, "indices", Shares(self.indices))

    @property
    def _shares(self) -> Shares:
        assert isinstance(self.indices, Shares)
        return self.indices

    @property
    def sizes(self) -> np.ndarray:
        """Images per device: int64 [num_devices]."""
        return np.diff(self._shares.starts)

    @property
    def digest(self) -> str:
        """SHA-256 in hex over sizes and indices: two splits are the same iff their digests are."""
        content = sha256(self.sizes.astype("<i8").tobytes())
        content.update(self._shares.flat.astype("<i8").tobytes())
        return content.hexdigest()

    def histogram(self, labels: np.ndarray, num_classes: int) -> np.ndarray:
        """Return int64 [num_devices, num_classes]: images per class; `labels` are those of all images."""
        devices = np.repeat(np.arange(len(self.indices)), self.sizes)
        cells = devices * num_classes + labels[self._shares.flat]
        counts = np.bincount(cells, minlength=len(self.indices) * num_classes)
        return counts.reshape(-1, num_classes).astype(np.int64)

    def to_json(self, labels: np.ndarray, num_classes: int) -> dict[str, Any]:
        """Return digest, sizes, histogram (see there) and indices as plain values, to be saved with a run."""
        return {
            "digest": self.digest,
            "sizes": self.sizes.tolist(),
            "histogram": self.histogram(labels, num_classes).tolist(),
            "indices": [share.tolist() for share in self.indices],
        }


def split_images(
    labels: np.ndarray, num_classes: int, num_devices: int, config: DataConfig, seed: int
) -> DataSplit:
    """Deal the training images with `labels` (int64 [N]) to `num_devices` devices as `config.split` says.

    With `config.images_per_device`, a random part of the images is used that keeps the mix of classes. The
    split depends on `seed`, labels and configuration only. Raises UserError when there are too few images, or
    when a device would hold fewer than `config.split.min_images`.
    """
    split = config.split
    if split.name not in PARTITIONERS:
        raise unknown_name("split", split.name, PARTITIONERS)
    chosen = _chosen_images(labels, num_classes, num_devices, config.images_per_device, seed)
    if len(chosen) < num_devices * split.min_images:
        raise UserError(
            f"{len(chosen)} training images are too few for federation.num_devices={num_devices} with "
            f"data.split.min_images={split.min_images} each: lower one of them"
            + (", or raise data.images_per_device" if config.images_per_device else "")
        )
    shares = PARTITIONERS[split.name](labels[chosen], num_classes, num_devices, split, seed)
    _check_partition(shares, num_devices, len(chosen))
    result = DataSplit(tuple(np.sort(chosen[share]) for share in shares))
    if result.sizes.min() < split.min_images:
        raise UserError(
            f"data.split.name={split.name}: the smallest share of {num_devices} devices has "
            f"{result.sizes.min()} images, below data.split.min_images={split.min_images}: lower that, "
            "federation.num_devices or data.split.shards_per_device"
        )
    return result


def _chosen_images(
    labels: np.ndarray, num_classes: int, num_devices: int, images_per_device: int | None, seed: int
) -> np.ndarray:
    """Return the ascending indices of the images to deal: all, or a part with the same mix of classes."""
    if images_per_device is None:
        return np.arange(len(labels))
    wanted = images_per_device * num_devices
    if wanted > len(labels):
        raise UserError(
            f"data.images_per_device={images_per_device} for federation.num_devices={num_devices} needs "
            f"{wanted} training images, but the data set has {len(labels)}: "
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


def _check_partition(shares: list[np.ndarray], num_devices: int, num_images: int) -> None:
    """Assert that every image is dealt exactly once."""
    assert len(shares) == num_devices
    dealt = np.bincount(np.concatenate(shares), minlength=num_images)
    assert len(dealt) == num_images and (dealt == 1).all()
