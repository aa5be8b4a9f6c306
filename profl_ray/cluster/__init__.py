"""What nodes have and who holds it, and the one way to connect to Ray."""

from profl_ray.cluster.environment import prepare_environment

prepare_environment()  # Before any module of this room imports Ray, which reads it then.
