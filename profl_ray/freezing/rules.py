"""Freeze rules: when a training step ends. A new rule is a class here and a line in `RULES`.

Source: ProFL, arXiv 2404.13349, section on block freezing. Every rule is a pure function of the
step's recorded history, so it can be replayed on a recorded run without training.
"""

from collections.abc import Callable
from dataclasses import dataclass
from itertools import takewhile
from typing import ClassVar, Protocol

from profl_ray.errors import unknown_name
from profl_ray.freezing.movement import Snapshots, movement_history
from profl_ray.freezing.slope import slope_history
from profl_ray.sections import FreezingConfig


@dataclass(frozen=True)
class FreezeDecision:
    """What a rule says after a round."""

    freeze: bool
    """Whether the step ends with this round."""
    reason: str
    """slope, fixed_rounds or max_rounds; empty while the step goes on."""
    effective_movement: float | None
    """In [0, 1]; None before it is defined."""
    slope: float | None
    """Percentage points of effective movement per round; None before it is defined."""
    streak: int
    """Evaluations in a row, up to now, whose slope was small; counted up to `patience_rounds`."""


class FreezeRule(Protocol):
    """Decides after every round whether the step ends."""

    def decide(self, snapshots: Snapshots, rounds_done: int) -> FreezeDecision:
        """Return the decision after `rounds_done` rounds of the step.

        `snapshots` are the followed scalars, arrays [S]: before the first round and after each round in which
        any device trained; hence rounds_done >= len(snapshots) - 1. The last `num_snapshots_needed` of a rule
        give the same decision as all of them.
        """
        ...

    @property
    def num_snapshots_needed(self) -> int:
        """How many of the latest snapshots a decision depends on."""
        ...

    @property
    def most_rounds(self) -> int:
        """Rounds after which the step ends at the latest."""
        ...


class _Rule:
    """What the rules share: the curves that each of them reports, and the cap."""

    order: ClassVar[int] = 1
    """Of the norms in the movement."""

    def __init__(self, config: FreezingConfig, max_rounds: int) -> None:
        """Follow `config`, and end the step after `max_rounds` rounds at the latest."""
        assert max_rounds >= 1
        self.config = config
        self.max_rounds = max_rounds

    @property
    def num_snapshots_needed(self) -> int:
        """W slopes need W + L - 1 movements, and those H more snapshots (H, L, W: see FreezingConfig)."""
        return self.config.window_rounds + self.config.fit_rounds + self.config.patience_rounds - 1

    @property
    def most_rounds(self) -> int:
        """The cap."""
        return self.max_rounds

    def decide(self, snapshots: Snapshots, rounds_done: int) -> FreezeDecision:
        """Return the decision after `rounds_done` rounds; see `FreezeRule.decide`."""
        assert rounds_done >= len(snapshots) - 1 >= 0
        recent = snapshots[-self.num_snapshots_needed :]
        movements = movement_history(recent, self.config.window_rounds, self.order)
        slopes = slope_history(movements, self.config.fit_rounds)
        streak = sum(1 for _ in takewhile(self._is_small, reversed(slopes)))
        reason = self._reason(rounds_done, streak)
        if not reason and rounds_done >= self.max_rounds:
            reason = "max_rounds"
        movement, slope = (movements[-1], slopes[-1]) if movements else (None, None)
        return FreezeDecision(bool(reason), reason, movement, slope, streak)

    def _is_small(self, slope: float | None) -> bool:
        return slope is not None and abs(slope) < self.config.phi

    def _reason(self, rounds_done: int, streak: int) -> str:
        """Return why the rule itself, the cap aside, ends the step now; empty if it does not."""
        raise NotImplementedError


class EffectiveMovementRule(_Rule):
    """Freeze when the slope of the effective movement was small `patience_rounds` times in a row."""

    def _reason(self, rounds_done: int, streak: int) -> str:
        # Section 6: no decision before H + L rounds. It binds only for W = 1, one round earlier.
        earliest = max(self.config.min_rounds, self.config.window_rounds + self.config.fit_rounds)
        return "slope" if streak >= self.config.patience_rounds and rounds_done >= earliest else ""


class BlockPerturbationRule(EffectiveMovementRule):
    """SmartFreeze's pace (arXiv 2408.09101): the same rule on the block's perturbation."""

    order = 2


class FixedRoundsRule(_Rule):
    """Freeze after `rounds` rounds (at least `min_rounds`); movement and slope are only reported."""

    @property
    def most_rounds(self) -> int:
        """The fixed number, if the cap is not below it."""
        return min(self._rounds, self.max_rounds)

    @property
    def _rounds(self) -> int:
        return max(self.config.rounds, self.config.min_rounds)

    def _reason(self, rounds_done: int, streak: int) -> str:
        return "fixed_rounds" if rounds_done >= self._rounds else ""


RULES: dict[str, Callable[[FreezingConfig, int], FreezeRule]] = {
    "effective_movement": EffectiveMovementRule,
    "block_perturbation": BlockPerturbationRule,
    "fixed_rounds": FixedRoundsRule,
}
"""Rules by the name that `freezing.name` gives them."""


def make_rule(config: FreezingConfig, max_rounds: int) -> FreezeRule:
    """Return the rule that `config` names, capped at `max_rounds` rounds; UserError if unknown."""
    if config.name not in RULES:
        raise unknown_name("freeze rule", config.name, RULES)
    return RULES[config.name](config, max_rounds)
