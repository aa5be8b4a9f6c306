"""The pace of a step: its recorded history, and the freeze rule that reads it."""

from collections.abc import Sequence

import numpy as np

from profl_ray.freezing import FreezeRule, make_rule, sample_indices
from profl_ray.randomness import numpy_stream
from profl_ray.sections import FreezingConfig
from profl_ray.strategies.base import Progress
from profl_ray.training import State


class StepPace:
    """Counts the rounds of a step and keeps the sampled scalars of its active block (paper, section 6)."""

    def __init__(
        self, rule: FreezeRule, names: Sequence[str], num_scalars: int, seed: int, step: int
    ) -> None:
        self.rule = rule
        self.names = names
        self.num_scalars = num_scalars
        self.stream = numpy_stream(seed, "movement", step)
        self.rounds_done = 0
        self.snapshots: list[np.ndarray] = []
        self.num_before = 0
        """Snapshots before the round that is being played."""
        self.indices: np.ndarray | None = None

    def record(self, weights: State) -> None:
        """Record the active block's scalars; called before the first round and after each that trained."""
        if not self.names:
            return
        scalars = np.concatenate([weights[name].reshape(-1) for name in self.names])
        if self.indices is None:
            self.indices = sample_indices(len(scalars), self.num_scalars, self.stream)
        self.snapshots.append(scalars[self.indices])

    def newest(self) -> np.ndarray | None:
        """Return what the round that was just played has recorded; None if nothing."""
        return self.snapshots[-1] if len(self.snapshots) > self.num_before else None

    def take(self, scalars: np.ndarray | None) -> None:
        """Take in what a round recorded elsewhere, in place of `record`."""
        if scalars is not None:
            self.snapshots.append(scalars)

    def count_round(self) -> None:
        """The round is over, and the step goes on."""
        self.rounds_done += 1
        self.num_before = len(self.snapshots)

    def progress(self) -> Progress:
        """Ask the rule, counting the round that was just played.

        Its figures, where they are defined: effective_movement, in [0, 1], and slope, in percentage points of
        effective movement per round.
        """
        history = self.snapshots or [np.empty(0, np.float32)]
        decision = self.rule.decide(history, self.rounds_done + 1)
        known = {"effective_movement": decision.effective_movement, "slope": decision.slope}
        return Progress(
            step_ended=decision.freeze,
            end_reason=decision.reason if decision.freeze else "",
            figures={name: value for name, value in known.items() if value is not None},
        )

    def recent(self) -> list[np.ndarray]:
        """Return the snapshots that later decisions depend on."""
        return self.snapshots[-self.rule.num_snapshots_needed :]

    def load(self, rounds_done: int, snapshots: np.ndarray) -> None:
        """Take back a history: snapshots [rounds + 1, scalars]. `record` has set the indices before."""
        self.rounds_done = rounds_done
        self.snapshots = list(snapshots)
        self.num_before = len(self.snapshots)


def freeze_rule(config: FreezingConfig, max_rounds: int | None = None) -> FreezeRule:
    """Return the configured rule, ending a step after `max_rounds` rounds; None: as configured."""
    return make_rule(config, max_rounds or config.max_rounds)


def fixed_rule(rounds: int) -> FreezeRule:
    """Return the rule that ends a step after so many rounds."""
    return make_rule(FreezingConfig(name="fixed_rounds", rounds=rounds, max_rounds=rounds), rounds)
