"""No file below clusters/ without a validator."""

import subprocess
from pathlib import Path

from tests.clusters import kit

VALIDATED = {
    "test_launcher": kit.LAUNCHER,
    "test_kubernetes": kit.MANIFESTS,
    "test_kustomize": kit.KUSTOMIZATIONS,
    "test_compose": [kit.COMPOSE],
    "test_dockerfile": [kit.DOCKERFILE, kit.IGNORE],
    "test_versions": [kit.VERSIONS_FILE, kit.CONSTRAINTS, kit.REQUIREMENTS],
    "test_scripts": [*kit.SCRIPTS, kit.FREEZE],
    "test_readmes": kit.READMES,
}
IGNORED = {kit.CLUSTERS / "docker/.gitignore"}


def present() -> set[Path]:
    """The files that git has, or would take."""
    command = ["git", "ls-files", "--cached", "--others", "--exclude-standard", "clusters"]
    listed = subprocess.run(command, cwd=kit.ROOT, capture_output=True, text=True, check=True).stdout
    return {kit.ROOT / line for line in listed.splitlines() if (kit.ROOT / line).exists()}


def test_every_file_has_a_validator() -> None:
    validated = {path for paths in VALIDATED.values() for path in paths}
    assert present() == validated | IGNORED


def test_the_validators_exist() -> None:
    for module in VALIDATED:
        assert (Path(__file__).parent / f"{module}.py").exists()


def test_every_group_of_files_has_members() -> None:
    assert [module for module, paths in VALIDATED.items() if not paths] == []
