"""Which fleet a configuration asks for."""

from profl_ray.fleet.in_process import InProcessFleet
from profl_ray.server.experiment import Experiment
from profl_ray.server.ports import Fleet


def build_fleet(experiment: Experiment) -> Fleet:
    """Return the configured fleet, started. Ray is imported only where it is asked for."""
    if experiment.config.fleet.backend == "in_process":
        return InProcessFleet(experiment)
    from profl_ray.fleet.ray_fleet import RayFleet

    return RayFleet(experiment)
