"""The Dockerfile, by hadolint and by rules of ours."""

import re
import tomllib
from typing import NamedTuple

import pytest
from ray._private.ray_constants import DEFAULT_DASHBOARD_AGENT_LISTEN_PORT

from tests.clusters import kit


class Instruction(NamedTuple):
    """One instruction of a Dockerfile, its continuation lines joined."""

    name: str
    value: str


def instructions() -> list[Instruction]:
    """The instructions without comments."""
    lines = [line for line in kit.DOCKERFILE.read_text().splitlines() if not line.lstrip().startswith("#")]
    joined = re.sub(r"\\\n\s*", " ", "\n".join(lines))
    return [Instruction(*line.split(maxsplit=1)) for line in joined.splitlines() if line.strip()]


INSTRUCTIONS = instructions()


def values(name: str) -> list[str]:
    """The values of all instructions of this name."""
    return [found.value for found in INSTRUCTIONS if found.name == name]


def test_hadolint_finds_nothing() -> None:
    result = kit.tool("hadolint", "--failure-threshold", "style", str(kit.DOCKERFILE))
    assert result.returncode == 0, result.stdout
    assert result.stdout == ""


@pytest.mark.parametrize(
    ("before", "after", "rule"),
    [
        ("python:3.11.14-slim-bookworm", "python:latest", "DL3007"),
        ("WORKDIR /home/profl", "RUN cd /home/profl", "DL3003"),
        (" --no-install-recommends", "", "DL3015"),
        ("USER 1000:1000", "USER root", "DL3002"),
    ],
)
def test_hadolint_would_find(before: str, after: str, rule: str) -> None:
    text = kit.DOCKERFILE.read_text()
    assert before in text
    assert rule in kit.tool("hadolint", "-", stdin=text.replace(before, after)).stdout


def test_the_base_is_pinned() -> None:
    assert values("FROM") == [kit.VERSIONS["PYTHON_IMAGE"]]


def test_the_user_is_not_root() -> None:
    assert values("USER")[-1] == f"{kit.VERSIONS['USER_ID']}:{kit.VERSIONS['USER_ID']}"
    # The launcher reads HOME from the image; KubeRay and the launcher start Ray in login shells.
    assert any(re.search(r"HOME=/home/profl\b", value) for value in values("ENV"))
    assert any(f"--uid {kit.VERSIONS['USER_ID']}" in value for value in values("RUN"))
    assert any(kit.VERSIONS["SHARED_PATH"] in value for value in values("RUN"))


def test_every_install_is_constrained() -> None:
    installs = [part for value in values("RUN") for part in value.split("&&") if "pip install" in part]
    assert len(installs) == 2
    assert all("--constraint clusters/docker/constraints.txt" in install for install in installs)


def test_nothing_is_fetched_past_the_package_managers() -> None:
    assert values("ADD") == []
    assert not any(re.search(r"\b(curl|git clone)\b|https?://", value) for value in values("RUN"))
    assert all("PASSWORD" not in value and "TOKEN" not in value for value in values("ENV") + values("ARG"))


def test_what_is_copied_exists_and_is_let_in() -> None:
    allowed = {line[1:] for line in kit.IGNORE.read_text().splitlines() if line.startswith("!")}
    copied = [source for value in values("COPY") for source in value.split()[:-1]]
    assert set(copied) == allowed
    assert all((kit.ROOT / source).exists() for source in copied)
    # Everything else stays out.
    assert "*" in kit.IGNORE.read_text().splitlines()


def test_all_packages_of_the_project_are_copied() -> None:
    project = tomllib.loads((kit.ROOT / "pyproject.toml").read_text())
    packages = {name.rstrip("*") for name in project["tool"]["setuptools"]["packages"]["find"]["include"]}
    copied = {source for value in values("COPY") for source in value.split()[:-1]}
    assert packages | {"pyproject.toml", project["project"]["readme"]} <= copied


def test_it_says_whether_it_is_healthy() -> None:
    # Answered without a token; tests/clusters/test_scripts.py asks a real node.
    [check] = values("HEALTHCHECK")
    assert f"http://127.0.0.1:{DEFAULT_DASHBOARD_AGENT_LISTEN_PORT}/api/local_raylet_healthz" in check
