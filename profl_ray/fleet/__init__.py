"""Those who train: the in-process fleet, the Ray fleet with its client actors, and the driver of a run."""

from profl_ray.environment import prepare_environment

prepare_environment()  # Before any module of this room imports Ray, which reads it then.
