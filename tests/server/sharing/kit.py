"""Runs of a fleet that trains nothing, so that hundreds of them take a second."""

from dataclasses import replace

from profl_ray.config import load_experiment
from profl_ray.server.checkpoint import weights_sha256
from profl_ray.server.experiment import assemble
from profl_ray.server.rounds import Server
from profl_ray.server.sharing import SharingServer

from ..kit import FakeFleet

BASE = (
    "federation.num_devices=8",
    "federation.cohort_size=5",
    "data.examples_per_device=30",
    "data.test_examples=90",
    "training.local_epochs=1",
    "fleet.cohort_groups=3",
    "tracking.enabled=false",
    "storage.share_rounds=true",
    "freezing.window_rounds=2",
    "freezing.fit_rounds=2",
    "freezing.patience_rounds=1",
    "freezing.min_rounds=1",
    "freezing.max_rounds=9",
    "freezing.max_shrink_rounds=4",
    "freezing.num_scalars=50",
    "strategy.profl.map_rounds=2",
)


class DriftingFleet(FakeFleet):
    """Moves every weight by a share of itself that depends on device and round, so that slopes differ."""

    def _train(self, group, states):
        result = super()._train(group, states)
        for index, addend in result.sums.items():
            start = states[index].down
            drift = 1 + 0.1 * (group.stream[-1] % 5) / (1 + group.index)
            result.sums[index] = replace(addend, total=(start * drift + 0.01) * addend.weight)
        return result


def make_experiment(root, *overrides):
    return assemble(load_experiment("digits_tiny", [*BASE, f"storage.root={root}", *overrides]))


def shared_server(experiment, folder, fleet=None):
    return SharingServer(experiment, fleet or DriftingFleet(experiment), folder)


def play(server, rounds=200):
    """Play at most so many rounds; no run here has two hundred."""
    records = []
    while not server.finished and len(records) < rounds:
        records.append(replace(server.play_round(), seconds=0.0))
    assert len(records) < 200
    return records


def digest(server):
    return weights_sha256(server.strategy.complete_weights())


def alone(experiment):
    """Records and weights of a run that shares nothing."""
    server = Server(experiment, DriftingFleet(experiment))
    return play(server), digest(server)
