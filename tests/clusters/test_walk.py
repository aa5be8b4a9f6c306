"""`ray up` and `ray down` on the fixed hosts, whole, with an ssh that only writes down what it is told.

What Ray's launcher would do on the hosts, in which order, and what happens if a host lacks the shared folder.
"""

import os
import subprocess
import sys
from pathlib import Path
from typing import NamedTuple

import pytest

from tests.clusters import kit

SSH = """#!/usr/bin/env bash
printf '%s\\n' "ssh ${*: -1}" >> "$STUB_LOG"
case "$*" in
  *".Config.Env"*) echo '["HOME=/home/profl"]' ;;
  *"printenv HOME"*) echo /home/profl ;;
  *"command -v docker"*) echo /usr/bin/docker ;;
  *".State.Running"*) echo false ;;
  *"/proc/meminfo"*) echo "MemAvailable: 16000000 kB" ;;
  *"mountpoint "*) exit "$STUB_MOUNTPOINT" ;;
esac
"""
RSYNC = """#!/usr/bin/env bash
printf '%s\\n' "rsync ${*: -2}" >> "$STUB_LOG"
"""


class Walk(NamedTuple):
    """One run of a launcher command: its exit code and what it told the hosts, in order."""

    code: int
    told: list[str]

    def index(self, text: str) -> int:
        """The place of the only thing told that contains the text."""
        [place] = [number for number, line in enumerate(self.told) if text in line]
        return place


def walk(folder: Path, *command: str, mounted: bool = True) -> Walk:
    """Run `ray COMMAND` on clusters/on-premise/cluster.yaml with the stubs before the real ssh and rsync."""
    programs, home = folder / "bin", folder / "home"
    for program, text in (("ssh", SSH), ("rsync", RSYNC)):
        path = programs / program
        path.parent.mkdir(exist_ok=True)
        path.write_text(text)
        path.chmod(0o755)
    token = home / ".profl-ray/token/auth_token"
    token.parent.mkdir(parents=True, exist_ok=True)
    token.write_text("of-this-test")
    key = home / ".ssh/id_ed25519"
    key.parent.mkdir(exist_ok=True)
    key.touch()
    log = folder / "told"
    log.write_text("")
    environment = {
        **os.environ,
        "PATH": f"{programs}:{Path(sys.executable).parent}:{os.environ['PATH']}",
        "HOME": str(home),
        "RAY_TMPDIR": str(folder),
        "STUB_LOG": str(log),
        "STUB_MOUNTPOINT": "0" if mounted else "1",
    }
    file = kit.CLUSTERS / "on-premise/cluster.yaml"
    done = subprocess.run(
        ["ray", command[0], "--yes", *command[1:], str(file)],
        env=environment,
        capture_output=True,
        check=False,
        timeout=120,
    )
    return Walk(done.returncode, log.read_text().splitlines())


@pytest.mark.e2e
def test_up_brings_the_token_and_starts_the_head_in_the_container(tmp_path: Path) -> None:
    up = walk(tmp_path, "up", "--no-config-cache")
    assert up.code == 0
    token = up.index(f"rsync {tmp_path}/home/.profl-ray/token/")
    mount, pull, run = up.index("mountpoint --quiet"), up.index("docker pull"), up.index("docker run")
    start = up.index("ray start --head")
    assert token < run
    assert mount < pull < run < start
    for option in (
        "-v /tmp/ray_tmp_mount/profl-ray//home/profl/token:/home/profl/token",
        "--volume /mnt/shared:/mnt/shared",
        "--env RAY_AUTH_MODE=token",
        "--env RAY_AUTH_TOKEN_PATH=/home/profl/token/auth_token",
        "--cap-drop=ALL",
        f"CHANGE-ME-REGISTRY/{kit.VERSIONS['PROFL_IMAGE']} bash",
    ):
        assert option in up.told[run]
    assert "of-this-test" not in "".join(up.told)


@pytest.mark.e2e
def test_ray_is_started_and_stopped_only_inside_the_container(tmp_path: Path) -> None:
    walk(tmp_path, "up", "--no-config-cache")
    down = walk(tmp_path, "down")
    assert down.code == 0
    assert any("docker stop profl-ray" in line for line in down.told)
    for line in walk(tmp_path, "up", "--no-config-cache").told + down.told:
        if "ray st" in line:
            assert "docker exec" in line


@pytest.mark.e2e
def test_a_host_without_the_shared_folder_starts_nothing(tmp_path: Path) -> None:
    up = walk(tmp_path, "up", "--no-config-cache", mounted=False)
    assert up.code != 0
    assert any("mountpoint" in line for line in up.told)
    assert not any("docker run" in line or "ray start" in line for line in up.told)
