"""dirichlet: skewed labels and sizes, drawn per class over the devices.

For every class, the proportions of its examples that the devices get are drawn from Dir(alpha, ..., alpha),
one component per DEVICE. So shares differ in size too. (Another split by that name draws, per device, a
distribution over the classes and keeps sizes equal; results of the two do not compare.)
"""

import numpy as np

from profl_ray.errors import UserError
from profl_ray.federation.partitioners.deal import Deal
from profl_ray.randomness import numpy_stream
from profl_ray.sections import SplitConfig


def partition_dirichlet(deal: Deal, config: SplitConfig) -> list[np.ndarray]:
    """Deal each class by proportions from Dir(`config.alpha`) over the devices.

    The draw is repeated until every device has `config.min_examples`, at most `config.max_tries` times; then
    UserError is raised, which says what was reached.
    """
    class_sizes = np.bincount(deal.labels, minlength=deal.num_classes)
    best = -1
    for attempt in range(config.max_tries):
        generator = numpy_stream(deal.seed, "split", "dirichlet", attempt)
        cuts = np.stack([_draw_cuts(size, deal.num_devices, config.alpha, generator) for size in class_sizes])
        smallest = int(np.diff(cuts, axis=1).sum(axis=0).min())
        if smallest >= config.min_examples:
            return _dealt(deal.labels, cuts, generator)
        best = max(best, smallest)
    raise UserError(
        f"data.split.name=dirichlet with alpha={config.alpha:g}: in {config.max_tries} draws the smallest of "
        f"{deal.num_devices} shares never had more than {best} examples, "
        f"but data.split.min_examples={config.min_examples}: raise data.split.alpha (or max_tries), "
        "or lower data.split.min_examples or federation.num_devices"
    )


def _draw_cuts(size: int, num_devices: int, alpha: float, generator: np.random.Generator) -> np.ndarray:
    """Return int64 [num_devices + 1], ascending from 0 to `size`; device d gets cuts[d]..cuts[d + 1]-1.

    Cut points are rounded, not shares, so that nothing is lost or dealt twice.
    """
    proportions = generator.dirichlet(np.full(num_devices, alpha))
    inner = np.rint(np.cumsum(proportions)[:-1] * size).astype(np.int64)
    return np.concatenate([[0], np.clip(inner, 0, size), [size]])


def _dealt(labels: np.ndarray, cuts: np.ndarray, generator: np.random.Generator) -> list[np.ndarray]:
    """Shuffle every class and cut it at its row of `cuts` [num_classes, num_devices + 1]."""
    pieces = []
    for label, row in enumerate(cuts):
        members = generator.permutation(np.flatnonzero(labels == label))
        pieces.append(np.split(members, row[1:-1]))
    return [np.concatenate(share) for share in zip(*pieces, strict=True)]
