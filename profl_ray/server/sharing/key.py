"""The key of a round: everything that has influenced it."""

import json
from collections.abc import Mapping, Sequence
from hashlib import sha256
from typing import Any

from profl_ray.config.load import flatten
from profl_ray.config.places import PLACE
from profl_ray.config.tree import NAMED
from profl_ray.plugins import identity
from profl_ray.provenance import machine_type, source_digest
from profl_ray.server.checkpoint import Snapshot, weights_sha256
from profl_ray.server.experiment import Experiment
from profl_ray.strategies import Step, Strategy
from profl_ray.strategies.paced import PacedStrategy

CODE = ("federation", "freezing", "memory", "models", "server", "strategies", "training", "randomness.py")
WITHOUT_INFLUENCE = (
    "recipe",
    "description",
    *PLACE,
    "evaluation.ranked_by",
    "fleet.",
    "freezing.",
    "strategy.",
)
"""Keys, or their beginnings, that have no influence on a round that is played ..."""
WITH_INFLUENCE = (
    "fleet.cohort_groups",
    "fleet.accelerator",
    "fleet.enforce_quotas",
    "fleet.overhead_mib",
    "freezing.num_scalars",
    "strategy.name",
)
"""... but these do, and the options of the strategy itself. A freezing rule decides when a step ends: the key
has that as the steps' lengths."""

RULE_LIMITS = ("freezing.name", "freezing.rounds", "freezing.max_rounds", "freezing.max_shrink_rounds")


class PathKeys:
    """Keys of the paths that one experiment can take."""

    def __init__(self, experiment: Experiment, strategy: PacedStrategy) -> None:
        self._late = strategy.late_keys
        # Where a file from outside lies has no influence, what it holds does.
        flat = {
            key: identity(text) if key in NAMED else text for key, text in flatten(experiment.config).items()
        }
        methods = [base for base in type(strategy).__mro__ if issubclass(base, Strategy)]
        options = tuple(f"strategy.{base.name}." for base in methods if "Options" in vars(base))
        self._values = {key: str(flat[key]) for key in self._late}
        # A schedule goes over the rounds that a step may take: there the rule's limits matter from the first.
        training = experiment.config.training
        limits = RULE_LIMITS if training.schedule != "constant" or training.warm_up_share else ()
        early = {
            k: str(v)
            for k, v in flat.items()
            if (_has_influence(k) or k.startswith((*options, *limits))) and k not in self._late
        }
        code = [source_digest(*CODE), *sorted(experiment.plugins.values())]
        facts = [early, _data_digest(experiment), machine_type(), *code]
        self.own = _digest(facts)
        """Of a run that was played as it is configured from its first round on."""
        self.base = self.own
        """What all paths begin with."""

    def branch(self, state: Snapshot) -> None:
        """Let all paths begin with a state that other settings, other code or another machine led to."""
        self.base = _digest([self.own, weights_sha256(state.tensors), state.facts])

    def path(self, step: Step, step_lengths: Sequence[int]) -> str:
        """Return the key of the step that follows steps of these lengths, in rounds.

        Settings that matter only from some step on are part of it from there.
        """
        late = {
            key: self._values[key]
            for key, first in self._late.items()
            if step.stage == first.stage and step.block >= first.block
        }
        return _digest([self.base, list(step_lengths), late])


def _has_influence(key: str) -> bool:
    return key.startswith(WITH_INFLUENCE) or not key.startswith(WITHOUT_INFLUENCE)


def _data_digest(experiment: Experiment) -> str:
    digest = sha256(experiment.data_sha256.encode())
    for indices in experiment.split.indices:
        digest.update(indices.tobytes())
    digest.update(experiment.quotas_mib.tobytes())
    return digest.hexdigest()


def _digest(facts: Sequence[Any] | Mapping[str, Any]) -> str:
    return sha256(json.dumps(facts, sort_keys=True).encode()).hexdigest()[:32]
