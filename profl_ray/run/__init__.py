"""A run from its first round to its end: the driver, its Ray actor, and its run in MLflow."""

from profl_ray.cluster.environment import prepare_environment

prepare_environment()  # Before any module of this room imports Ray, which reads it then.
