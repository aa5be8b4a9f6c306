"""Effective movement and freeze rules: pure functions of a step's recorded history."""

from profl_ray.freezing.movement import movement_history, sample_indices
from profl_ray.freezing.rules import (
    BlockPerturbationRule,
    EffectiveMovementRule,
    FixedRoundsRule,
    FreezeDecision,
    FreezeRule,
    make_rule,
)
from profl_ray.freezing.slope import slope, slope_history

__all__ = [
    "BlockPerturbationRule",
    "EffectiveMovementRule",
    "FixedRoundsRule",
    "FreezeDecision",
    "FreezeRule",
    "make_rule",
    "movement_history",
    "sample_indices",
    "slope",
    "slope_history",
]
