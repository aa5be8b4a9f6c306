"""Ray Tune: search spaces, trials, sweeps."""

from profl_ray.tuning.outcome import SweepOutcome
from profl_ray.tuning.request import SweepRequest
from profl_ray.tuning.space import Choice, Range, SearchSpace
from profl_ray.tuning.sweep import resume_sweep, run_sweep

__all__ = ["Choice", "Range", "SearchSpace", "SweepOutcome", "SweepRequest", "resume_sweep", "run_sweep"]
