"""The program as a person starts it who has just exported a token: a fresh process, home and environment."""

import os
import socket
import subprocess
import sys
import tempfile
import time
from pathlib import Path

import pytest

# Processes that are to find a head, another one, or none.
pytestmark = [pytest.mark.ray, pytest.mark.usefixtures("no_ray")]

ROOT = Path(__file__).parents[2]
TOKEN = os.environ["RAY_AUTH_TOKEN"]
"""That of the head, see tests/conftest.py."""
NOWHERE = "127.0.0.1:9"
MEMORY = ("memory", "--model", "cnn", "--input", "1x8x8", "--json")


@pytest.fixture
def fresh(tmp_path):
    """Run Python with nothing but a home, a path without a Python, and these variables."""

    def run(*arguments, **variables):
        environment = {"HOME": str(tmp_path), "PATH": "/usr/bin:/bin", "PYTHONPATH": str(ROOT), **variables}
        began = time.monotonic()
        done = subprocess.run(
            [sys.executable, *arguments],
            cwd=ROOT,
            env=environment,
            capture_output=True,
            text=True,
            timeout=120,
            check=False,
        )
        assert "Traceback" not in done.stderr, done.stderr
        assert time.monotonic() - began < 100
        assert not (tmp_path / ".ray").exists()
        return done

    return run


@pytest.fixture
def program(fresh):
    return lambda *arguments, **variables: fresh("-m", "profl_ray", *arguments, **variables)


def test_submit_needs_the_token_alone_and_goes_where_it_is_told(program, head):
    # Each of these would lead it elsewhere, or leave it without a Python.
    elsewhere = {
        "RAY_API_SERVER_ADDRESS": f"http://{NOWHERE}",
        "RAY_ADDRESS": NOWHERE,
        "http_proxy": f"http://{NOWHERE}",
    }
    done = program("submit", "--address", head.address, *MEMORY, RAY_AUTH_TOKEN=TOKEN, **elsewhere)
    assert done.returncode == 0, done.stderr
    assert '"peak_need_mib"' in done.stdout.splitlines()[-1]
    assert "Running entrypoint" not in done.stdout
    assert f"is sent to {head.address}" in done.stderr

    done = program(
        "submit", "--address", head.address, "--stop", "nothing", RAY_AUTH_TOKEN=TOKEN, **elsewhere
    )
    assert done.returncode == 2 and "no job 'nothing' on the cluster" in done.stderr


@pytest.mark.parametrize(
    ("token", "words"), [({}, "none is given"), ({"RAY_AUTH_TOKEN": "x" * 64}, "the one in RAY_AUTH_TOKEN")]
)
def test_a_token_that_is_not_the_clusters_is_told(program, head, token, words):
    done = program("submit", "--address", head.address, *MEMORY, **token)
    assert done.returncode == 2 and "the cluster requires its token" in done.stderr and words in done.stderr
    # The head listens on loopback, which Ray would replace by another address.
    joining = {"RAY_ADDRESS": f"127.0.0.1:{head._ports[1]}", "RAY_ENABLE_WINDOWS_OR_OSX_CLUSTER": "0"}
    done = program("run", "digits_tiny", "fleet.backend=ray", "tracking.enabled=false", **joining, **token)
    assert done.returncode == 2 and done.stderr.count("\n") == 1
    assert "requires its token" in done.stderr and words in done.stderr


def test_an_address_where_another_program_listens_is_told_within_seconds(program):
    with socket.create_server(("127.0.0.1", 0)) as silent:
        address = f"127.0.0.1:{silent.getsockname()[1]}"
        done = program(
            *("compare", "digits_tiny", "--strategies", "profl", "tracking.enabled=false"),
            RAY_ADDRESS=address,
            RAY_ENABLE_WINDOWS_OR_OSX_CLUSTER="0",
        )
    assert done.returncode == 2 and done.stderr.count("\n") == 1
    assert f"the cluster at RAY_ADDRESS={address} cannot be reached" in done.stderr


SESSION = "from profl_ray.cluster.ray_session import ray_session\nwith ray_session(num_cpus=1): print('up')"


def test_a_local_ray_starts_below_a_long_temporary_folder(fresh, tmp_path):
    long = tmp_path / ("x" * 90)
    long.mkdir()
    done = fresh("-c", SESSION, TMPDIR=str(long), RAY_ADDRESS="local")
    assert done.stdout == "up\n", done.stderr


def test_nodes_start_below_a_long_temporary_folder(tmp_path):
    from tests.clusters.test_scripts import free_port_range

    long = tmp_path / ("x" * 90)
    long.mkdir()
    port = free_port_range(8)
    environment = {
        "HOME": str(tmp_path),
        "PATH": f"{Path(sys.executable).parent}:{os.environ['PATH']}",
        "TMPDIR": str(long),
        "RAY_ADDRESS": NOWHERE,
        "RAY_AUTH_TOKEN": TOKEN,
        "PORT": str(port),
        "DASHBOARD_PORT": str(port + 7),
    }
    with tempfile.TemporaryFile("w+") as errors:
        script = subprocess.Popen(
            [ROOT / "clusters/local/nodes.sh", "1"],
            env=environment,
            stdout=subprocess.PIPE,
            stderr=errors,
            text=True,
        )
        try:
            assert script.stdout is not None
            line = script.stdout.readline()
            errors.seek(0)
            assert line.startswith("head and 1 worker nodes"), errors.read()
        finally:
            script.terminate()
            script.wait(timeout=60)
