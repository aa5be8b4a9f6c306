"""Examples that are kept from training: a validation part of all, and each device's own test share."""

import numpy as np

from profl_ray.errors import UserError
from profl_ray.federation.rounding import apportion
from profl_ray.randomness import numpy_stream

_VALIDATION_SEED = 0  # part of the data set: runs of several seeds are chosen by the same examples


def validation_part(labels: np.ndarray, num_classes: int, share: float) -> np.ndarray:
    """Return the ascending positions, int64, of a random `share` of the examples with `labels` (int64 [n]).

    It keeps the mix of classes, and leaves at least one example of each class for training. It does not
    depend on the experiment's seed. Raises UserError where the share is not one example.
    """
    spare = np.maximum(np.bincount(labels, minlength=num_classes) - 1, 0)
    wanted = min(round(share * len(labels)), int(spare.sum()))
    if wanted < 1:
        raise UserError(
            f"data.validation={share:g}: of {len(labels)} training examples that is not one that training "
            f"can spare (allowed: a larger share, such as {min(0.5, 10 / len(labels)):.2g}, or 0)"
        )
    draw = numpy_stream(_VALIDATION_SEED, "validation")
    picks = [
        draw.choice(np.flatnonzero(labels == label), part, replace=False)
        for label, part in enumerate(apportion(wanted, spare))
        if part
    ]
    return np.sort(np.concatenate(picks))


def own_test_shares(
    shares: list[np.ndarray], labels: np.ndarray, num_classes: int, share: float, seed: int
) -> tuple[list[np.ndarray], list[np.ndarray]]:
    """Cut each device's positions into those that it trains on and those of its own test, each ascending.

    `share` of its examples, at least one, drawn at random with its own mix of classes. Of each class that a
    device has, one example stays for training; so a device with one example of each has no test of its own.
    """
    devices = np.repeat(np.arange(len(shares)), [len(each) for each in shares])
    positions = np.concatenate(shares)
    cells = devices * num_classes + labels[positions]
    counts = np.bincount(cells, minlength=len(shares) * num_classes)
    quota = _quota(np.maximum(counts.reshape(len(shares), num_classes) - 1, 0), counts, share).reshape(-1)
    # The first few of every cell, in an order that is drawn.
    order = np.lexsort((numpy_stream(seed, "split", "own test").random(len(positions)), cells))
    rank = np.empty(len(positions), np.int64)
    rank[order] = np.arange(len(positions)) - np.repeat(np.cumsum(counts) - counts, counts)
    tested = rank < quota[cells]
    stops = np.cumsum([len(each) for each in shares])[:-1]
    pieces = list(zip(np.split(positions, stops), np.split(tested, stops), strict=True))
    return [np.sort(p[~t]) for p, t in pieces], [np.sort(p[t]) for p, t in pieces]


def _quota(spare: np.ndarray, counts: np.ndarray, share: float) -> np.ndarray:
    """Return how many examples of each class a device tests on: int64 [devices, classes], at most `spare`.

    As `apportion` does it for one device, for all at once.
    """
    totals = spare.sum(axis=1)
    sizes = counts.reshape(spare.shape).sum(axis=1)
    wanted = np.minimum(np.maximum(np.rint(share * sizes), 1), totals).astype(np.int64)
    exact = spare * (wanted / np.maximum(totals, 1))[:, None]
    parts = np.floor(exact).astype(np.int64)
    missing = wanted - parts.sum(axis=1)
    ranks = np.argsort(np.argsort(parts - exact, axis=1, kind="stable"), axis=1, kind="stable")
    return parts + (ranks < missing[:, None])
