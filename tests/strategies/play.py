"""Our strategies and variants as cases of the contract, and what their tests share."""

from collections.abc import Sequence

import numpy as np

from profl_ray.server.experiment import Experiment
from profl_ray.strategies import STRATEGIES, Strategy
from profl_ray.testing.contract import experiment_of, trace_of
from profl_ray.testing.play import (
    MAX_ROUNDS,
    Trace,
    copied,
    new_server,
    play,
    same_state,
    tiny_config,
    tiny_experiment,
)
from profl_ray.training import TaskSum

from .worked_example import suffix

__all__ = [
    "CASES",
    "MAX_ROUNDS",
    "Trace",
    "case_experiment",
    "case_settings",
    "copied",
    "first_choice",
    "new_server",
    "play",
    "random_sum",
    "same_state",
    "tiny_config",
    "tiny_experiment",
    "trace",
]

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


def case_settings(case: str) -> tuple[str, ...]:
    """Return the settings of a case."""
    return (f"strategy.name={case.split()[0]}", *CASES[case])


def case_experiment(case: str) -> Experiment:
    return experiment_of(*case_settings(case))


def trace(case: str) -> Trace:
    """Return the run of a case, played once for all tests."""
    return trace_of(*case_settings(case))


def first_choice(strategy: Strategy, needs_mib: Sequence[float], quotas_mib: np.ndarray) -> list[int]:
    """Return the task that each device would train, -1 where it can afford none."""
    affordable = quotas_mib[:, None] >= np.array(needs_mib)
    choice = np.full(len(quotas_mib), -1)
    able = np.flatnonzero(affordable.any(axis=1))
    choice[able] = strategy.assign(able, affordable[able])
    return choice.tolist()


def random_sum(layout, num_examples: int, seed: int = 0) -> TaskSum:
    generator = np.random.default_rng(seed)
    total = generator.normal(size=layout.size).astype(np.float32)
    return TaskSum(np.abs(total) * np.float32(num_examples), num_examples)
