"""Where the bundles of a run, or of trials, find room on the nodes' CPUs and GPUs, counted as Ray counts.

A run asks for one driver and for client actors that are all alike, so that whether it fits is found out
exactly: for each place of the driver, the others are counted. How many trials fit is a forecast: Ray may
place otherwise.
"""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Self

Bundle = Mapping[str, float]
UNITS = 10_000
"""Ray shares a CPU or a GPU out in parts of 0.0001; what is asked for beyond that is cut off."""
MOST_TRIALS = 1000
"""Where trials reserve next to nothing, counting ends."""
_NO_LIMIT = 10**9


def units(amount: float) -> int:
    """Return an amount of a resource in Ray's smallest parts."""
    return int(amount * UNITS)


@dataclass(frozen=True)
class Node:
    """A node of the cluster, and what is held of it for good."""

    resources: Bundle
    held: Bundle = field(default_factory=dict)
    """By the process of our own job: it comes free only when we are done."""

    def usable(self, kind: str) -> float:
        """Return how much there is for our actors."""
        return max(0.0, self.resources.get(kind, 0.0) - self.held.get(kind, 0.0))


@dataclass
class Room:
    """What is left of a node: CPUs and each single GPU in Ray's units, memory in MiB."""

    cpus: int
    gpus: list[int]
    mib: float = 0.0

    @classmethod
    def of(cls, node: Node, mib: float = 0.0) -> Self:
        """Return the room on a node that only our job's own process uses."""
        whole, part = divmod(units(node.resources.get("GPU", 0.0)), UNITS)
        room = cls(units(node.resources.get("CPU", 0.0)), [UNITS] * whole + [part] * bool(part), mib)
        room.take(node.held)
        return room

    def count(self, bundle: Bundle, mib: float = 0.0) -> int:
        """Return how many such bundles fit, with the memory of their processes."""
        cpus, gpus = units(bundle.get("CPU", 0.0)), units(bundle.get("GPU", 0.0))
        limits = [_NO_LIMIT]
        if cpus:
            limits.append(self.cpus // cpus)
        if gpus >= UNITS:
            limits.append(self.gpus.count(UNITS) // (gpus // UNITS))
        elif gpus:
            limits.append(sum(gpu // gpus for gpu in self.gpus))  # A part lies on one GPU.
        if mib > 0:
            limits.append(int(self.mib // mib))
        return max(0, min(limits))

    def take(self, bundle: Bundle, mib: float = 0.0) -> None:
        """Place a bundle; what does not fit takes what there is."""
        self.cpus -= units(bundle.get("CPU", 0.0))
        self.mib -= mib
        left = units(bundle.get("GPU", 0.0))
        for i, gpu in enumerate(self.gpus):
            if left >= UNITS == gpu:
                self.gpus[i], left = 0, left - UNITS
            elif 0 < left <= gpu and left < UNITS:
                self.gpus[i], left = gpu - left, 0


@dataclass(frozen=True)
class Trial:
    """What a run or a trial asks for: bundles, the driver's first; the memory of their processes in MiB."""

    bundles: Sequence[Bundle]
    driver_mib: float = 0.0
    client_mib: float = 0.0

    def __post_init__(self) -> None:
        assert all(bundle == self.client for bundle in self.bundles[1:]), "client actors are all alike"

    @property
    def driver(self) -> Bundle:
        """What the driver asks for; in one process, all."""
        return self.bundles[0]

    @property
    def client(self) -> Bundle:
        """What each client actor asks for."""
        return self.bundles[1] if len(self.bundles) > 1 else {}

    @property
    def num_clients(self) -> int:
        """Client actors."""
        return len(self.bundles) - 1


def rooms(nodes: Iterable[Node]) -> list[Room]:
    """Return the rooms on nodes that no one else uses."""
    return [Room.of(node) for node in nodes]


def most_clients(trial: Trial, places: Sequence[Room]) -> int:
    """Return how many client actors find room beside the driver, however they are spread; -1: not even it."""
    return _best_place(trial, places)[0]


def trials_at_once(trial: Trial, places: Sequence[Room]) -> int:
    """Return how many trials fit, at most MOST_TRIALS; the places are used up."""
    for number in range(MOST_TRIALS):
        # Tune packs a trial on as few nodes as possible.
        if not any(_place(trial, [place]) for place in places) and not _place(trial, places):
            return number
    return MOST_TRIALS


def _best_place(trial: Trial, places: Sequence[Room]) -> tuple[int, int]:
    """Return the most client actors that fit, and the index of the driver's place then."""
    counts = [place.count(trial.client, trial.client_mib) for place in places]
    best, index = -1, -1
    for i, place in enumerate(places):
        if place.count(trial.driver, trial.driver_mib):
            beside = Room(place.cpus, list(place.gpus), place.mib)
            beside.take(trial.driver, trial.driver_mib)
            number = sum(counts) - counts[i] + beside.count(trial.client, trial.client_mib)
            if number > best:
                best, index = number, i
    return best, index


def _place(trial: Trial, places: Sequence[Room]) -> bool:
    """Place one trial and say whether it fitted; if not, nothing is placed."""
    number, index = _best_place(trial, places)
    if number < trial.num_clients:
        return False
    places[index].take(trial.driver, trial.driver_mib)
    left = trial.num_clients
    by_room = sorted(places, key=lambda place: place.count(trial.client, trial.client_mib), reverse=True)
    for place in by_room:
        here = min(left, place.count(trial.client, trial.client_mib))
        for _ in range(here):
            place.take(trial.client, trial.client_mib)
        left -= here
    return True
