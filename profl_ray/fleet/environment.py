"""What Ray reads from the environment when it is first imported."""

import os
import secrets
import sys

QUIET = {
    "RAY_USAGE_STATS_ENABLED": "0",
    # Tune's newer output prints a box about itself, however quiet it is asked to be.
    "RAY_AIR_NEW_OUTPUT": "0",
    "RAY_TRAIN_ENABLE_V2_MIGRATION_WARNINGS": "0",
    "RAY_ACCEL_ENV_VAR_OVERRIDE_ON_ZERO": "0",
    "TUNE_DISABLE_AUTO_CALLBACK_LOGGERS": "1",
    # The client actors are the work of this machine: the lowest priority would starve them.
    "RAY_worker_niceness": "0",
    # Its native handler answers SIGTERM with a stack and an abort; ours ends in order (`signals`).
    "RAY_DISABLE_FAILURE_SIGNAL_HANDLER": "1",
}


def on_cluster() -> bool:
    """Whether this process belongs to a Ray cluster that somebody else started."""
    return bool(os.environ.get("RAY_ADDRESS") or os.environ.get("RAY_JOB_ID"))


def set_ray_environment() -> None:
    """Set what a Ray of our own needs; too late, and left alone, where Ray was imported before."""
    if "ray" in sys.modules:
        return
    for name, value in QUIET.items():
        os.environ.setdefault(name, value)
    if on_cluster():
        return
    # Set here, a token stays in this process and its children. Left to Ray, it would be written into a file
    # at home, which changes every later head.
    os.environ.setdefault("RAY_AUTH_MODE", "token")
    os.environ.setdefault("RAY_AUTH_TOKEN", secrets.token_hex(32))
    # Without this, Ray replaces the loopback address by an outer one.
    os.environ.setdefault("RAY_ENABLE_WINDOWS_OR_OSX_CLUSTER", "0")
