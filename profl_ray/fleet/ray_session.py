"""Connecting to Ray: the cluster that we are on, or a private one on this machine."""

import logging
import os
from collections.abc import Iterator
from contextlib import contextmanager

QUIET = {
    "RAY_USAGE_STATS_ENABLED": "0",
    "RAY_TRAIN_ENABLE_V2_MIGRATION_WARNINGS": "0",
    "RAY_ACCEL_ENV_VAR_OVERRIDE_ON_ZERO": "0",
    "TUNE_DISABLE_AUTO_CALLBACK_LOGGERS": "1",
    # The client actors are the work of this machine: the lowest priority would starve them.
    "RAY_worker_niceness": "0",
}


@contextmanager
def ray_session(num_cpus: int | None = None) -> Iterator[None]:
    """Connect to the cluster of the job that we run in, else start Ray on this machine for the while.

    A local Ray listens with token authentication only where the environment asks for it (RAY_AUTH_MODE).
    """
    for name, value in QUIET.items():
        os.environ.setdefault(name, value)
    import ray

    if ray.is_initialized():
        yield
        return
    on_cluster = bool(os.environ.get("RAY_ADDRESS") or os.environ.get("RAY_JOB_ID"))
    # Without an explicit mode, a local start would write a token file that changes later heads.
    os.environ.setdefault("RAY_AUTH_MODE", "disabled")
    if on_cluster:
        ray.init(logging_level=logging.ERROR, log_to_driver=False)
    else:
        ray.init(
            address="local",
            num_cpus=num_cpus,
            include_dashboard=False,
            logging_level=logging.ERROR,
            log_to_driver=False,
        )
    try:
        yield
    finally:
        ray.shutdown()
