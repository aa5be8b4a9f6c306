"""The Dockerfile's `pip install` steps, replayed in a fresh environment, on nothing but what it copies.

With `--dry-run`: pip resolves everything, and installs nothing (a real install takes 7 GB and minutes). About
a minute where the package index serves metadata apart from the packages.
"""

import json
import re
import shlex
import shutil
import subprocess
import sys
from pathlib import Path

import pytest
from packaging.utils import canonicalize_name
from packaging.version import Version

from tests.clusters import kit
from tests.clusters.test_dockerfile import values
from tests.clusters.test_versions import PINS


@pytest.fixture
def context(tmp_path: Path) -> Path:
    """The image's /opt/profl-ray: what COPY puts there."""
    root = tmp_path / "profl-ray"
    root.mkdir()
    for value in values("COPY"):
        *sources, target = value.split()
        for source in sources:
            place = root / target if not target.endswith("/") else root / target / Path(source).name
            place.parent.mkdir(parents=True, exist_ok=True)
            if (kit.ROOT / source).is_dir():
                shutil.copytree(kit.ROOT / source, place, ignore=shutil.ignore_patterns("__pycache__"))
            else:
                shutil.copy(kit.ROOT / source, place)
    return root


@pytest.mark.e2e
@pytest.mark.skipif(
    "{}.{}".format(*sys.version_info) != kit.VERSIONS["PYTHON_VERSION"],
    reason="constraints are those of the image's Python",
)
def test_the_image_installs_exactly_what_is_pinned(context: Path, tmp_path: Path) -> None:
    subprocess.run([sys.executable, "-m", "venv", tmp_path / "venv"], check=True)
    resolved: dict[str, Version] = {}
    installs = [
        part.strip() for value in values("RUN") for part in value.split("&&") if "pip install" in part
    ]
    for number, install in enumerate(installs):
        # As with an empty TORCH_INDEX: PyPI's own builds.
        words = shlex.split(re.sub(r"\$\{TORCH_INDEX:[^}]*\}", "", install))
        report = tmp_path / f"report-{number}.json"
        command = [tmp_path / "venv/bin/pip", *words[1:], "--dry-run", "--quiet", "--report", report]
        done = subprocess.run(command, cwd=context, capture_output=True, text=True, check=False)
        assert done.returncode == 0, done.stderr
        for entry in json.loads(report.read_text())["install"]:
            metadata = entry["metadata"]
            resolved[canonicalize_name(metadata["name"])] = Version(metadata["version"])
    ours = resolved.pop(canonicalize_name("profl-ray"))
    assert ours == Version(kit.VERSIONS["PROFL_RAY_VERSION"])
    # Both ways: nothing floats, and nothing is pinned that is no longer needed.
    assert resolved == PINS
