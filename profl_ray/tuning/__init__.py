"""Ray Tune: search spaces, trials, sweeps."""

from profl_ray.cluster.environment import prepare_environment

prepare_environment()  # Before any module of this room imports Ray, which reads it then.

from profl_ray.tuning.outcome import SweepOutcome  # noqa: E402
from profl_ray.tuning.request import SweepRequest  # noqa: E402
from profl_ray.tuning.space import Choice, Range, SearchSpace  # noqa: E402
from profl_ray.tuning.sweep import resume_sweep, run_sweep  # noqa: E402

__all__ = ["Choice", "Range", "SearchSpace", "SweepOutcome", "SweepRequest", "resume_sweep", "run_sweep"]
