"""Which examples a device trains on, which it tests on, and which nobody has: by index."""

from collections.abc import Sequence
from dataclasses import dataclass
from hashlib import sha256
from typing import Any, overload

import numpy as np


class Shares(Sequence[np.ndarray]):
    """Arrays of indices that lie end to end in one: 100,000 devices are two arrays, not as many objects.

    It is what travels to every client actor; a share is cut out when it is asked for.
    """

    def __init__(self, shares: Sequence[np.ndarray]) -> None:
        self.flat = np.concatenate(shares)
        """int64 [examples of all devices]."""
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
    """The training examples of each device, and those kept from training, by index; disjoint."""

    indices: Sequence[np.ndarray]
    """Per device: int64 [examples that it trains on], ascending. Kept as `Shares`."""
    own_tests: Sequence[np.ndarray] | None = None
    """Per device: int64 [examples of its own test], ascending; None: no device has such."""
    validation: np.ndarray | None = None
    """int64 [examples that settings are chosen by], ascending; None: that is done by the test examples."""

    def __post_init__(self) -> None:
        for name in ("indices", "own_tests"):
            shares = getattr(self, name)
            if shares is not None and not isinstance(shares, Shares):
                object.__setattr__(self, name, Shares(shares))

    @property
    def _shares(self) -> Shares:
        assert isinstance(self.indices, Shares)
        return self.indices

    @property
    def sizes(self) -> np.ndarray:
        """Training examples per device: int64 [num_devices]."""
        return np.diff(self._shares.starts)

    @property
    def digest(self) -> str:
        """SHA-256 in hex over sizes and indices: two splits are the same iff their digests are."""
        content = sha256(self.sizes.astype("<i8").tobytes())
        content.update(self._shares.flat.astype("<i8").tobytes())
        if isinstance(self.own_tests, Shares):
            content.update(b"own tests" + self.own_tests.starts.astype("<i8").tobytes())
            content.update(self.own_tests.flat.astype("<i8").tobytes())
        if self.validation is not None:
            content.update(b"validation" + self.validation.astype("<i8").tobytes())
        return content.hexdigest()

    def histogram(self, labels: np.ndarray, num_classes: int) -> np.ndarray:
        """Return int64 [num_devices, num_classes]: training examples by class; `labels` are those of all."""
        devices = np.repeat(np.arange(len(self.indices)), self.sizes)
        cells = devices * num_classes + labels[self._shares.flat]
        counts = np.bincount(cells, minlength=len(self.indices) * num_classes)
        return counts.reshape(-1, num_classes).astype(np.int64)

    def to_json(self, labels: np.ndarray, num_classes: int) -> dict[str, Any]:
        """Return digest, sizes, histogram (see there) and indices as plain values, to be saved with a run."""
        told = {
            "digest": self.digest,
            "sizes": self.sizes.tolist(),
            "histogram": self.histogram(labels, num_classes).tolist(),
            "indices": [share.tolist() for share in self.indices],
        }
        if self.own_tests is not None:
            told["own_tests"] = [share.tolist() for share in self.own_tests]
        if self.validation is not None:
            told["validation"] = self.validation.tolist()
        return told
