"""Scripts: shellcheck for all, and each one run as far as that needs no cluster."""

import importlib.util
import os
import random
import re
import signal
import socket
import subprocess
import sys
import time
import urllib.request
from pathlib import Path
from types import ModuleType

import pytest
from packaging.requirements import Requirement

from tests.clusters import kit


@pytest.mark.parametrize("path", kit.SCRIPTS, ids=kit.name_of)
def test_shellcheck_finds_nothing(path: Path) -> None:
    result = kit.tool("shellcheck", str(path))
    assert result.stdout == ""
    assert result.returncode == 0
    assert os.access(path, os.X_OK)


def test_shellcheck_would_find(tmp_path: Path) -> None:
    script = tmp_path / "script.sh"
    script.write_text("#!/usr/bin/env bash\nrm -rf $1/cache\n")
    assert "SC2086" in kit.tool("shellcheck", str(script)).stdout


@pytest.mark.parametrize("path", kit.SCRIPTS, ids=kit.name_of)
def test_no_script_ends_other_peoples_processes(path: Path) -> None:
    code = "\n".join(line for line in path.read_text().splitlines() if not line.startswith("#"))
    assert not re.search(r"\bray stop\b|\bpkill\b|\bkillall\b", code)


@pytest.mark.parametrize("path", kit.SCRIPTS, ids=kit.name_of)
def test_scripts_want_a_token(path: Path) -> None:
    bare = {"PATH": os.environ["PATH"]}
    result = subprocess.run([path, "1"], env=bare, capture_output=True, text=True, check=False)
    assert result.returncode != 0
    assert "RAY_AUTH_TOKEN" in result.stderr


@pytest.mark.parametrize("count", ["0", "-1", "two", "100"])
def test_nodes_refuses_a_silly_number(count: str) -> None:
    environment = {"PATH": os.environ["PATH"], "RAY_AUTH_TOKEN": "x"}
    result = subprocess.run(
        [kit.CLUSTERS / "local/nodes.sh", count], env=environment, capture_output=True, text=True, check=False
    )
    assert result.returncode == 2
    assert result.stderr == f"nodes.sh: '{count}' worker nodes (allowed: 1 to 99)\n"


@pytest.fixture(scope="module")
def freeze() -> ModuleType:
    """clusters/docker/freeze.py as a module."""
    spec = importlib.util.spec_from_file_location("freeze", kit.FREEZE)
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


def test_freeze_follows_dependencies_and_extras(freeze: ModuleType) -> None:
    bare = freeze.closure([Requirement("ray")])
    tune = freeze.closure([Requirement("ray[tune]")])
    assert {"ray", "msgpack"} <= set(bare)
    assert "pandas" in set(tune) - set(bare)
    assert "pytest" not in tune


def test_freeze_names_what_is_missing(freeze: ModuleType) -> None:
    with pytest.raises(SystemExit, match=r"freeze\.py: no-such-package is not installed"):
        freeze.closure([Requirement("no-such-package")])


def free_port_range(length: int) -> int:
    """The first of `length` neighbouring ports that are free, not always the same."""
    starts = range(21000, 31000, length)
    for first in random.SystemRandom().sample(starts, k=len(starts)):
        try:
            for port in range(first, first + length):
                with socket.socket() as listener:
                    listener.bind(("127.0.0.1", port))
        except OSError:
            continue
        return first
    raise AssertionError("no free ports")


def family(mark: str) -> list[int]:
    """The processes with this mark in their environment."""
    found = []
    for entry in Path("/proc").iterdir():
        try:
            if entry.name.isdigit() and mark.encode() in (entry / "environ").read_bytes():
                found.append(int(entry.name))
        except OSError:
            continue
    return found


def folders_of_nodes(mark: str) -> set[Path]:
    """The --temp-dir of each `ray start` with this mark."""
    found = set()
    for pid in family(mark):
        words = Path(f"/proc/{pid}/cmdline").read_text().split("\0")
        if "start" in words and "--temp-dir" in words:
            found.add(Path(words[words.index("--temp-dir") + 1]))
    return found


@pytest.mark.ray
@pytest.mark.usefixtures("no_ray")  # the script starts its own
def test_nodes_starts_healthy_nodes_and_ends_them_all(tmp_path: Path) -> None:
    port = free_port_range(8)
    mark = f"PROFL_RAY_NODES_TEST={tmp_path}"
    environment = {
        **os.environ,
        "PATH": f"{Path(sys.executable).parent}:{os.environ['PATH']}",
        "PROFL_RAY_NODES_TEST": str(tmp_path),
        "HOME": str(tmp_path),
        "RAY_AUTH_TOKEN": "of-this-test",
        "PORT": str(port),
        "DASHBOARD_PORT": str(port + 7),
    }
    script = subprocess.Popen(
        [kit.CLUSTERS / "local/nodes.sh", "2"], env=environment, stdout=subprocess.PIPE, text=True
    )
    try:
        assert script.stdout is not None
        assert script.stdout.readline().startswith("head and 2 worker nodes with 1 CPUs each")
        # The image's health check: it answers without the token, on each node.
        for number in range(3):
            address = f"http://127.0.0.1:{port + 1 + 2 * number}/api/local_raylet_healthz"
            with urllib.request.urlopen(address, timeout=10) as answer:
                assert answer.read() == b"success"
        # Nodes that share a folder delete each other's working directories.
        folders = folders_of_nodes(mark)
        assert len(folders) == 3
    finally:
        script.send_signal(signal.SIGTERM)
        script.wait(timeout=60)
    assert script.returncode == 128 + signal.SIGTERM
    deadline = time.monotonic() + 10
    while family(mark) and time.monotonic() < deadline:
        time.sleep(0.2)
    assert family(mark) == []
    assert not any(folder.parent.exists() for folder in folders)
