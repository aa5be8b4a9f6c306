import os
import shutil
import subprocess
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
STUB = """#!/bin/sh
case "$*" in
  "-m venv .venv") mkdir -p .venv/bin && cp "$0" .venv/bin/python ;;
  *" pip "*) echo "pip $*"; [ ! -e fail ] ;;
  *) echo "$*" ;;
esac
"""


@pytest.fixture
def project(tmp_path: Path) -> Path:
    shutil.copy(ROOT / "Makefile", tmp_path)
    (tmp_path / "pyproject.toml").touch()
    stub = tmp_path / "stub"
    stub.write_text(STUB)
    stub.chmod(0o755)
    return tmp_path


def make(project: Path, *arguments: str) -> "subprocess.CompletedProcess[str]":
    environment = {key: value for key, value in os.environ.items() if not key.startswith("MAKE")}
    return subprocess.run(
        ["make", *arguments], cwd=project, env=environment, capture_output=True, text=True, check=False
    )


def test_help_is_the_default_and_lists_every_target(project: Path) -> None:
    result = make(project)
    assert result.returncode == 0
    for target in ("demo", "test", "test-fast", "lint", "ui", "clean"):
        assert f"  {target} " in result.stdout


def test_the_second_call_installs_nothing(project: Path) -> None:
    first = make(project, "demo", "PYTHON=./stub")
    assert first.returncode == 0, first.stderr
    assert "pip" in first.stdout
    assert make(project, "demo", "PYTHON=./stub").stdout == "-m profl_ray demo\n"


def test_a_failed_install_is_tried_again(project: Path) -> None:
    (project / "fail").touch()
    assert make(project, "demo", "PYTHON=./stub").returncode != 0
    assert not (project / ".venv" / ".installed").exists()
    (project / "fail").unlink()
    assert make(project, "demo", "PYTHON=./stub").returncode == 0
    assert (project / ".venv" / ".installed").exists()


def test_an_old_python_gets_one_clear_line(project: Path) -> None:
    result = make(project, "demo", "PYTHON=false")
    assert result.returncode != 0
    assert result.stderr.splitlines()[0].startswith(
        "profl-ray needs Python 3.11 or newer, and 'false' is not"
    )


def test_ci_runs_what_a_person_runs() -> None:
    script = ROOT / ".ci" / "run"
    assert os.access(script, os.X_OK)
    assert "make test" in script.read_text()
