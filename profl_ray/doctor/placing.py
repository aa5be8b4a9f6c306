"""How many trials find room at once: first fit, the largest bundles first.

Tune packs a trial on as few nodes as possible; so do we. It is a forecast: Ray may place otherwise.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

Bundle = Mapping[str, float]
MOST_TRIALS = 1000
"""Where trials reserve next to nothing, counting ends."""
_ROUNDING = 1e-6


@dataclass
class Room:
    """A node and what is left of it."""

    free: dict[str, float]
    free_mib: float

    def takes(self, bundle: Bundle, mib: float) -> bool:
        """Whether the bundle and the memory of its process fit."""
        fits = all(self.free.get(kind, 0.0) + _ROUNDING >= amount for kind, amount in bundle.items())
        return fits and self.free_mib >= mib

    def take(self, bundle: Bundle, mib: float) -> None:
        """Place it."""
        for kind, amount in bundle.items():
            self.free[kind] = self.free.get(kind, 0.0) - amount
        self.free_mib -= mib


@dataclass(frozen=True)
class Trial:
    """What a trial asks for: bundles, the driver's first, and the memory of each bundle's process in MiB."""

    bundles: Sequence[Bundle]
    mib: Sequence[float] = field(default=())

    def needs(self) -> list[tuple[Bundle, float]]:
        """Return bundles with their memory (none where it does not count), the largest first."""
        pairs = zip(self.bundles, self.mib or [0.0] * len(self.bundles), strict=True)
        return sorted(pairs, key=lambda pair: (sum(pair[0].values()), pair[1]), reverse=True)


def trials_at_once(trial: Trial, nodes: Mapping[str, Bundle], free_mib: Mapping[str, float]) -> int:
    """Return how many trials fit on nodes with these resources and this much memory, at most MOST_TRIALS."""
    rooms = [Room(dict(resources), free_mib.get(name, 0.0)) for name, resources in nodes.items()]
    for number in range(MOST_TRIALS):
        if not _place(trial, rooms):
            return number
    return MOST_TRIALS


def _place(trial: Trial, rooms: list[Room]) -> bool:
    """Place one trial, on one node if it fits there; say whether it fitted. If not, nothing is placed."""
    for only in [[room] for room in rooms] + [rooms]:
        trial_rooms = [Room(dict(room.free), room.free_mib) for room in only]
        if all(_place_bundle(bundle, mib, trial_rooms) for bundle, mib in trial.needs()):
            for room, after in zip(only, trial_rooms, strict=True):
                room.free, room.free_mib = after.free, after.free_mib
            return True
    return False


def _place_bundle(bundle: Bundle, mib: float, rooms: list[Room]) -> bool:
    for room in rooms:
        if room.takes(bundle, mib):
            room.take(bundle, mib)
            return True
    return False
