"""Whole small runs, with everything that the contract speaks of noted round by round."""

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from functools import cache
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

from safetensors.numpy import load, save

from profl_ray.config import ExperimentConfig, load_experiment
from profl_ray.federation import load_data
from profl_ray.fleet.in_process import InProcessFleet
from profl_ray.server.checkpoint import Snapshot
from profl_ray.server.experiment import Experiment, assemble
from profl_ray.server.passes import Pass
from profl_ray.server.record import RoundRecord
from profl_ray.server.rounds import Server
from profl_ray.strategies import Plan, Strategy
from profl_ray.training import State, TaskSum

TINY = (
    "data.examples_per_device=14",
    "data.test_examples=40",
    "federation.num_devices=6",
    "federation.cohort_size=3",
    # Two kinds of devices: those that can train everything, and those that can train some steps.
    "federation.quotas.name=levels",
    "federation.quotas.fractions=[0.6,1.2]",
    "federation.quotas.shares=[0.34,0.66]",
    "model.width=0.25",
    "model.partition=[1,2,1]",
    "training.local_epochs=1",
    "training.batch_size=8",
    "freezing.name=fixed_rounds",
    "freezing.rounds=2",
    "freezing.min_rounds=1",
    "fleet.cohort_groups=2",
    "strategy.profl.map_rounds=2",
    "strategy.rounds=4",
)
MAX_ROUNDS = 60
"""A tiny run that takes more does not end."""

_CACHE = TemporaryDirectory(prefix="profl-ray-tests-")
_load_data = cache(load_data)


def tiny_config(*overrides: str) -> ExperimentConfig:
    """Return the configuration of a tiny experiment on digits."""
    return load_experiment("digits_tiny", [*TINY, f"storage.root={Path(_CACHE.name)}", *overrides])


def tiny_experiment(*overrides: str) -> Experiment:
    """Return an experiment on digits that plays a round in some ten milliseconds."""
    return assemble(tiny_config(*overrides), _load_data)


def new_server(experiment: Experiment) -> Server:
    """Return a server at its beginning, all in this process."""
    return Server(experiment, InProcessFleet(experiment))


def copied(state: State) -> State:
    """Return the state as arrays of its own."""
    return {name: value.copy() for name, value in state.items()}


def same_state(one: State, other: State, names: Sequence[str] | None = None) -> bool:
    """Tell whether two states are equal bit for bit (-0.0 and 0.0 differ)."""
    if names is None and one.keys() != other.keys():
        return False
    return all(
        one[n].shape == other[n].shape and one[n].tobytes() == other[n].tobytes()
        for n in (one if names is None else names)
    )


def stored(snapshot: Snapshot) -> Snapshot:
    """Return the snapshot as it comes back from a checkpoint's two files."""
    return Snapshot(load(save(snapshot.tensors)), json.loads(json.dumps(snapshot.facts)))


def unmeasured(facts: dict[str, Any]) -> dict[str, Any]:
    """Return a snapshot's facts without the measured peaks (see `timeless`)."""
    ledger = {key: value for key, value in facts["ledger"].items() if key != "peaks_bytes"}
    return facts | {"ledger": ledger}


def timeless(record: RoundRecord) -> RoundRecord:
    """Return the record without what was measured: the time, and the peak, which varies by some bytes.

    The profiler may order a release and an allocation in the same instant either way.
    """
    return replace(record, seconds=0.0, measured_peak_mib=0.0)


@dataclass
class Moment:
    """One round."""

    snapshot: Snapshot
    """Before the round."""
    plan: Plan
    sums: dict[int, TaskSum] = field(default_factory=dict)
    before: State = field(default_factory=dict)
    """Complete weights before the merge."""
    after: State = field(default_factory=dict)
    """Complete weights right after the merge."""
    passes: list[tuple[Plan, Pass]] = field(default_factory=list)
    """Training first, then the surveys, as they were planned and done."""
    record: RoundRecord | None = None


@dataclass
class Trace:
    """One run from its first round to its end."""

    experiment: Experiment
    moments: list[Moment]
    server: Server

    @property
    def records(self) -> list[RoundRecord]:
        """The records of the rounds."""
        return [moment.record for moment in self.moments if moment.record is not None]

    @property
    def num_steps(self) -> int:
        """Steps that were played."""
        return len({moment.plan.step_index for moment in self.moments})


def play(experiment: Experiment) -> Trace:
    """Play a run to its end."""
    server = new_server(experiment)
    moments: list[Moment] = []
    while not server.finished and len(moments) < MAX_ROUNDS:
        moment = Moment(stored(server.snapshot()), server.strategy.plan())
        _watch_merge(server.strategy, moment)
        _watch_passes(server, moment)
        moment.record = server.play_round()
        moments.append(moment)
    return Trace(experiment, moments, server)


def _watch_merge(strategy: Strategy, moment: Moment) -> None:
    """Note what the next merge gets and what it makes of the weights."""
    merge = type(strategy).merge

    def watched(sums: Mapping[int, TaskSum], told: Mapping[int, State]) -> None:
        moment.sums = {index: TaskSum(s.total.copy(), s.weight) for index, s in sums.items()}
        moment.before = copied(strategy.complete_weights())
        merge(strategy, sums, told)
        moment.after = copied(strategy.complete_weights())

    strategy.merge = watched  # type: ignore[method-assign]


def _watch_passes(server: Server, moment: Moment) -> None:
    """Note what the passes of the next round were and what came of them."""
    do = type(server).do

    def watched(plan: Plan) -> Pass:
        done = do(server, plan)
        moment.passes.append((plan, done))
        return done

    server.do = watched  # type: ignore[method-assign]
