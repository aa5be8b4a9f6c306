"""Where the files below clusters/ are, and what reads them; every group of files has its own validators."""

import re
import shutil
import subprocess
import sys
from pathlib import Path
from typing import Any

import yaml

ROOT = Path(__file__).parents[2]
CLUSTERS = ROOT / "clusters"

LAUNCHER = sorted(path for name in ("aws", "gcp", "on-premise") for path in (CLUSTERS / name).glob("*.yaml"))
KUSTOMIZATIONS = sorted(CLUSTERS.glob("kuberay/**/kustomization.yaml"))
MANIFESTS = sorted(set(CLUSTERS.glob("kuberay/**/*.yaml")) - set(KUSTOMIZATIONS))
READMES = sorted(CLUSTERS.glob("*/README.md"))
SCRIPTS = sorted(CLUSTERS.glob("**/*.sh"))
COMPOSE = CLUSTERS / "docker/compose.yaml"
DOCKERFILE = CLUSTERS / "docker/Dockerfile"
IGNORE = CLUSTERS / "docker/Dockerfile.dockerignore"
CONSTRAINTS = CLUSTERS / "docker/constraints.txt"
REQUIREMENTS = CLUSTERS / "docker/requirements.txt"
FREEZE = CLUSTERS / "docker/freeze.py"
VERSIONS_FILE = CLUSTERS / "versions.env"

VERSIONS = dict(re.findall(r"^([A-Z_]+)=(\S+)$", VERSIONS_FILE.read_text(), re.MULTILINE))


def name_of(path: Path) -> str:
    """The id of a test that is about this file."""
    return str(path.relative_to(CLUSTERS))


def documents(path: Path) -> list[dict[str, Any]]:
    """The YAML documents of a file."""
    return [document for document in yaml.safe_load_all(path.read_text()) if document]


def tool(name: str, *arguments: str, stdin: str = "") -> "subprocess.CompletedProcess[str]":
    """Run a checker that the dev extra brings; one that is missing is a failure, never a skip."""
    beside = Path(sys.executable).parent / name
    program = str(beside) if beside.exists() else shutil.which(name)
    assert program, f"{name} is not installed: pip install --editable '.[dev]'"
    return subprocess.run(
        [program, *arguments], input=stdin, capture_output=True, text=True, check=False, cwd=ROOT
    )


def shell_problems(script: str) -> str:
    """What bash and shellcheck have against a script; empty if nothing."""
    parsed = tool("bash", "-n", stdin=script)
    linted = tool("shellcheck", "--shell=bash", "--exclude=SC2148", "-", stdin=script)
    return parsed.stderr + linted.stdout
