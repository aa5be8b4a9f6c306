"""Methods whose steps end by a freeze rule: what the rest of the platform may know of them."""

from typing import ClassVar

from profl_ray.strategies.base import Step, Strategy
from profl_ray.strategies.pace import StepPace


class PacedStrategy(Strategy):
    """A schedule of steps, each ended by its pace: the rule shapes its path by the steps' lengths alone."""

    late_keys: ClassVar[dict[str, Step]] = {}
    """Keys of the configuration that have no influence before this step begins, nor in another stage."""

    steps: list[Step]
    """The schedule."""
    step_lengths: list[int]
    """Rounds of the steps that have ended."""
    pace: StepPace
    """Of the current step."""
