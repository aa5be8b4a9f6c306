"""Connecting to Ray: the cluster that we are on, or a private one on this machine."""

import logging
from collections.abc import Iterator
from contextlib import contextmanager

from profl_ray.fleet.environment import on_cluster
from profl_ray.signals import children_apart, handlers_kept


@contextmanager
def ray_session(num_cpus: int | None = None) -> Iterator[None]:
    """Connect to the cluster of the job that we run in, else start Ray on this machine for the while.

    A local Ray listens on loopback and asks for a token that nobody else knows.
    """
    import ray

    if ray.is_initialized():
        yield
        return
    try:
        with handlers_kept():
            if on_cluster():
                ray.init(logging_level=logging.ERROR, log_to_driver=False)
            else:
                with children_apart():
                    ray.init(
                        address="local",
                        num_cpus=num_cpus,
                        include_dashboard=False,
                        logging_level=logging.ERROR,
                        log_to_driver=False,
                        _node_ip_address="127.0.0.1",
                    )
        yield
    finally:
        with handlers_kept():
            ray.shutdown()
