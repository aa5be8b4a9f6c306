"""Those who train: the in-process fleet, and the Ray fleet with its client actors."""

from profl_ray.cluster.environment import prepare_environment

prepare_environment()  # Before any module of this room imports Ray, which reads it then.
