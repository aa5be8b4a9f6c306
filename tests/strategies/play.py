"""Whole small runs, with everything that the contract speaks of noted round by round."""

import json
from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from functools import cache
from pathlib import Path
from tempfile import TemporaryDirectory

import numpy as np
from safetensors.numpy import load, save

from profl_ray.config import ExperimentConfig
from profl_ray.config.load import load_experiment
from profl_ray.federation import load_data
from profl_ray.fleet.in_process import InProcessFleet
from profl_ray.server.checkpoint import Snapshot
from profl_ray.server.experiment import Experiment, assemble
from profl_ray.server.record import RoundRecord
from profl_ray.server.rounds import Server
from profl_ray.strategies import STRATEGIES, Plan, Strategy
from profl_ray.training import State, TaskSum

from .worked_example import suffix

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

STRATEGIES["suffix"] = suffix()

CASES: dict[str, tuple[str, ...]] = dict.fromkeys(STRATEGIES, ()) | {
    "fedavg exclusive": ("strategy.fedavg.variant=exclusive",),
    "fedavg allsmall": ("strategy.fedavg.variant=allsmall",),
    "profl eval": ("strategy.profl.frozen_bn=eval",),
    "profl head": ("strategy.profl.output_module=head",),
    "profl one block": ("model.partition=[4]",),
    "profl movement": ("freezing.name=effective_movement", "freezing.max_rounds=3"),
}
"""What the contract is held against: every strategy as it is, and variants. The first word names it."""

_CACHE = TemporaryDirectory(prefix="profl-ray-tests-")
_load_data = cache(load_data)


def tiny_config(*overrides: str) -> ExperimentConfig:
    return load_experiment("digits_tiny", [*TINY, f"storage.root={Path(_CACHE.name)}", *overrides])


def tiny_experiment(*overrides: str) -> Experiment:
    """Return an experiment on digits that plays a round in some ten milliseconds."""
    return assemble(tiny_config(*overrides), _load_data)


@cache
def case_experiment(case: str) -> Experiment:
    return tiny_experiment(f"strategy.name={case.split()[0]}", *CASES[case])


def new_server(experiment: Experiment) -> Server:
    return Server(experiment, InProcessFleet(experiment))


def copied(state: State) -> State:
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


def timeless(record: RoundRecord) -> RoundRecord:
    return replace(record, seconds=0.0)


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
    record: RoundRecord | None = None


@dataclass
class Trace:
    """One run from its first round to its end."""

    experiment: Experiment
    moments: list[Moment]
    server: Server

    @property
    def records(self) -> list[RoundRecord]:
        return [moment.record for moment in self.moments if moment.record is not None]


def watch_merge(strategy: Strategy, moment: Moment) -> None:
    """Note what the next merge gets and what it makes of the weights."""
    merge = type(strategy).merge

    def watched(sums, told) -> None:
        moment.sums = {index: TaskSum(s.total.copy(), s.weight) for index, s in sums.items()}
        moment.before = copied(strategy.complete_weights())
        merge(strategy, sums, told)
        moment.after = copied(strategy.complete_weights())

    strategy.merge = watched  # type: ignore[method-assign]


def play(experiment: Experiment) -> Trace:
    """Play a run to its end."""
    server = new_server(experiment)
    moments: list[Moment] = []
    while not server.finished and len(moments) < MAX_ROUNDS:
        moment = Moment(stored(server.snapshot()), server.strategy.plan())
        watch_merge(server.strategy, moment)
        moment.record = server.play_round()
        moments.append(moment)
    return Trace(experiment, moments, server)


@cache
def trace(case: str) -> Trace:
    """Return the run of a case, played once for all tests."""
    return play(case_experiment(case))


def first_choice(strategy: Strategy, needs_mib: Sequence[float], quotas_mib: np.ndarray) -> list[int]:
    """Return the task that each device would train, -1 where it can afford none."""
    affordable = quotas_mib[:, None] >= np.array(needs_mib)
    choice = np.full(len(quotas_mib), -1)
    able = np.flatnonzero(affordable.any(axis=1))
    choice[able] = strategy.assign(able, affordable[able])
    return choice.tolist()


def step_indices(case: str) -> range:
    """Return the indices of the steps of a case's schedule, without training."""
    schedule = case_experiment(case).make_strategy().schedule()
    return range(len(dict.fromkeys(step for step, _ in schedule)))


def random_sum(layout, num_examples: int, seed: int = 0) -> TaskSum:
    generator = np.random.default_rng(seed)
    total = generator.normal(size=layout.size).astype(np.float32)
    return TaskSum(np.abs(total) * np.float32(num_examples), num_examples)
