"""Connecting to Ray: the cluster that we are on, or a private one on this machine. One start-up for all."""

import logging
import os
import socket
import sys
from collections.abc import Iterator
from contextlib import contextmanager

from profl_ray.cluster.environment import (
    missed_by_ray,
    on_cluster,
    prepare_environment,
    token_words,
)
from profl_ray.cluster.luggage import check_carried, check_unpacked, worker_environment
from profl_ray.cluster.temporary import ray_folder, short_temporary
from profl_ray.errors import NoRay
from profl_ray.signals import children_apart, handlers_kept

KNOCK_SECONDS = 10.0
"""How long a cluster may take to answer; Ray itself would try for many minutes."""


@contextmanager
def ray_session(num_cpus: int | None = None) -> Iterator[None]:
    """Connect to the cluster of the job that we run in, else start Ray on this machine meanwhile.

    A local Ray listens on loopback and asks for a token that no one else knows. Raises NoRay, within seconds,
    for a cluster that is not there, refuses us or is of another version, for a Ray that does not start, and
    for one that was imported before its environment was right.
    """
    prepare_environment()
    import ray

    if ray.is_initialized():
        check_carried()
        yield
        return
    if missed := missed_by_ray():
        raise NoRay(
            f"Ray was imported before {', '.join(missed)} could be set, which it reads only then",
            "call profl_ray.cluster.environment.prepare_environment() before anything imports ray",
        )
    try:
        with handlers_kept():
            if on_cluster():
                _connect()
            else:
                _start(num_cpus)
        check_unpacked()
        yield
    finally:
        with handlers_kept():
            ray.shutdown()


def _start(num_cpus: int | None) -> None:
    import ray
    from ray.exceptions import RayError

    folder, temporary = ray_folder(), os.environ.get("TMPDIR")
    short_temporary(os.environ)  # For Ray's processes, which inherit it.
    try:
        folder.mkdir(parents=True, exist_ok=True)
        with children_apart():
            ray.init(
                address="local",
                runtime_env=worker_environment(),
                num_cpus=num_cpus,
                include_dashboard=False,
                logging_level=logging.ERROR,
                log_to_driver=False,
                _node_ip_address="127.0.0.1",
                _temp_dir=str(folder),
            )
    except (OSError, RuntimeError, ValueError, RayError) as error:
        raise NoRay(
            f"Ray does not start on this machine, in {folder} ({_reason(error)})",
            "RAY_TMPDIR=/FOLDER that can be written, on a disk with room; profl-ray doctor",
        ) from error
    finally:
        if temporary is not None:
            os.environ["TMPDIR"] = temporary


def _connect() -> None:
    import ray
    from ray.exceptions import AuthenticationError, RayError

    address = os.environ.get("RAY_ADDRESS", "")
    if address.startswith(("http://", "https://")):
        raise NoRay(
            f"RAY_ADDRESS={address} is a job server's address, and this process is not a job",
            f"profl-ray submit --address {address} ..., or unset RAY_ADDRESS",
        )
    if address.startswith("ray://"):
        raise NoRay(
            f"RAY_ADDRESS={address} is the address of Ray Client, which cannot carry a run",
            "profl-ray submit --address http://HEAD:8265 ..., or unset RAY_ADDRESS",
        )
    fix = "ray status --address=ADDRESS; RAY_ADDRESS=HEAD:6379 and RAY_AUTH_TOKEN as on the head"
    try:
        _knock(address)
        ray.init(logging_level=logging.ERROR, log_to_driver=False, runtime_env=worker_environment())
    except AuthenticationError as error:
        raise NoRay(
            f"the cluster at RAY_ADDRESS={address} requires its token, and {token_words()}",
            "RAY_AUTH_TOKEN=..., or RAY_AUTH_TOKEN_PATH=FILE, as its nodes were started with",
        ) from error
    except (OSError, RuntimeError, ValueError, RayError) as error:
        raise NoRay(
            f"the cluster at RAY_ADDRESS={address} cannot be reached ({_reason(error)})", fix
        ) from error


def _knock(address: str) -> None:
    """Raise OSError, RuntimeError or RayError unless a cluster answers us at the address, soon."""
    import grpc
    from ray._private.services import canonicalize_bootstrap_address
    from ray._raylet import GcsClient  # type: ignore[attr-defined]

    if not address:
        return  # Of a worker: it is connected, or Ray knows where to.
    host, _, port = str(canonicalize_bootstrap_address(address)).rpartition(":")
    if not (host and port.isdecimal()):
        return
    socket.create_connection((host.strip("[]"), int(port)), timeout=KNOCK_SECONDS / 2).close()
    if os.environ.get("RAY_USE_TLS", "0").lower() not in ("1", "true"):
        # Ray asks without a proxy, too.
        options = [("grpc.enable_http_proxy", 0)]
        with grpc.insecure_channel(f"{host}:{port}", options=options) as channel:
            try:
                grpc.channel_ready_future(channel).result(timeout=KNOCK_SECONDS)
            except grpc.FutureTimeoutError:
                raise TimeoutError(f"no Ray answers at {host}:{port}") from None
    with _silent():
        GcsClient(address=f"{host}:{port}").get_all_node_info(timeout=KNOCK_SECONDS)


@contextmanager
def _silent() -> Iterator[None]:
    """Keep what Ray's C++ part writes to standard error; what went wrong is raised as well."""
    sys.stderr.flush()
    kept, nowhere = os.dup(2), os.open(os.devnull, os.O_WRONLY)
    try:
        os.dup2(nowhere, 2)
        yield
    finally:
        os.dup2(kept, 2)
        os.close(kept)
        os.close(nowhere)


def _reason(error: BaseException) -> str:
    words = " ".join(str(error).split())[:200]
    return f"{type(error).__name__}: {words}"
