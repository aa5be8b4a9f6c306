"""Training methods, one file per paper."""

from profl_ray.strategies.base import Plan, Progress, Step, Strategy, StrategyContext, full_task
from profl_ray.strategies.registry import STRATEGIES, find_strategy, make_strategy
from profl_ray.strategies.stages import Stage

__all__ = [
    "STRATEGIES",
    "Plan",
    "Progress",
    "Stage",
    "Step",
    "Strategy",
    "StrategyContext",
    "find_strategy",
    "full_task",
    "make_strategy",
]
