"""Nothing of ours listens beyond loopback; what Ray itself opens wider does not answer without the token."""

import os
import socket
import subprocess
import sys

import pytest
from e2e.conftest import program, runs  # noqa: F401  fixtures
from faults.kit import wait_for

from profl_ray.errors import UserError
from profl_ray.launch import processes
from profl_ray.launch.head import LocalHead
from profl_ray.launch.jobs import Jobs

from .listening import listeners

# What listens is told by process: a program's own Ray, and a head that refuses.
pytestmark = [pytest.mark.ray, pytest.mark.usefixtures("no_ray")]

RAYS_OWN = ("gcs_server", "raylet", "ray/dashboard", "ray/_private", "ray::", "default_worker.py")
"""Ray lets these listen on all interfaces and has no setting for it."""


def test_what_listens_is_found():
    with socket.create_server(("127.0.0.1", 0)) as here, socket.create_server(("0.0.0.0", 0)) as there:
        found = {(one.port, one.is_local) for one in listeners([os.getpid()])}
        assert {(here.getsockname()[1], True), (there.getsockname()[1], False)} <= found


def test_a_run_on_ray_opens_nothing_of_its_own(program, runs):  # noqa: F811
    started = program.start(
        *("run", "digits_tiny", "fleet.backend=ray", "fleet.num_actors=1", f"storage.root={runs}"),
        "federation.cohort_size=8",
    )
    try:
        wait_for(lambda: program.pids("ray::"), seconds=90)
        pids = [process.pid for process in program._running()]
        wide = [one for one in listeners(pids) if not one.is_local]
        assert [one for one in wide if not any(word in one.command for word in RAYS_OWN)] == []
    finally:
        program.end()
        started.communicate()


def test_a_run_in_one_process_does_not_listen_at_all(program, runs):  # noqa: F811
    started = program.start("run", "digits_tiny", f"storage.root={runs}")
    try:
        for line in started.stderr:
            if line.startswith("round"):
                break
        assert listeners([process.pid for process in program._running()]) == []
    finally:
        program.end()
        started.communicate()


JOIN = """
import ray
ray.init(address={address!r}, log_to_driver=False, logging_level="ERROR")
print("let in", ray.get(ray.remote(lambda: 7).remote()))
"""


def test_a_head_lets_no_one_in_without_its_token(tmp_path):
    with LocalHead(num_cpus=1) as head:
        family = [process.pid for process in processes.family(head.pid, str(head._scratch.path))]
        dashboard = [one for one in listeners(family) if one.port == head._ports[0]]
        assert dashboard and all(one.is_local for one in dashboard)
        assert head.jobs.nodes()
        for wrong in ("", "0" * 64):
            with pytest.raises(UserError, match="the cluster requires its token"):
                Jobs(head.address, wrong)
        address = f"127.0.0.1:{head._ports[1]}"
        environment = head.client_environment() | {"RAY_gcs_rpc_server_connect_timeout_s": "5"}
        assert "let in 7" in _join(address, environment, tmp_path)
        answer = _join(address, environment | {"RAY_AUTH_TOKEN": "0" * 64}, tmp_path)
        assert "let in" not in answer
        assert "token" in answer.lower() or "unauthenticated" in answer.lower(), answer


def _join(address, environment, folder):
    done = subprocess.run(
        [sys.executable, "-c", JOIN.format(address=address)],
        env=environment,
        cwd=folder,
        capture_output=True,
        text=True,
        timeout=120,
        check=False,
    )
    return done.stdout + done.stderr
