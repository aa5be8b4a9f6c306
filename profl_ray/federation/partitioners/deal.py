"""What a partitioner is given: the examples to deal, and to how many devices."""

from dataclasses import dataclass

import numpy as np


@dataclass(frozen=True, eq=False)
class Deal:
    """Labelled examples that are to be dealt to devices."""

    labels: np.ndarray
    """int64 [n], each in 0..num_classes-1."""
    num_classes: int
    num_devices: int
    seed: int
    """Root seed of the random streams."""
    groups: np.ndarray | None = None
    """int64 [n]: who each example comes from; None where the data set does not say."""
