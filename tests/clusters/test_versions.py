"""Images and versions: said once in versions.env, and the same wherever they are said again."""

import platform
import re
import tomllib
from importlib.metadata import version
from pathlib import Path

import pytest
from packaging.requirements import Requirement
from packaging.utils import canonicalize_name
from packaging.version import Version

import profl_ray
from tests.clusters import kit, test_every_file

VERSIONS = kit.VERSIONS
PROJECT = tomllib.loads((kit.ROOT / "pyproject.toml").read_text())["project"]
PINS = {
    name: Version(found)
    for name, found in re.findall(r"^([a-z0-9-]+)==(\S+)$", kit.CONSTRAINTS.read_text(), re.MULTILINE)
}
FILES = sorted(path for paths in test_every_file.VALIDATED.values() for path in paths)
every_file = pytest.mark.parametrize("path", FILES, ids=kit.name_of)

IMAGES = {VERSIONS[key] for key in ("PYTHON_IMAGE", "PROFL_IMAGE", "PROFL_GPU_IMAGE", "POSTGRES_IMAGE")}


def test_the_file_has_every_line_once() -> None:
    lines = [line for line in kit.VERSIONS_FILE.read_text().splitlines() if line and not line.startswith("#")]
    assert len(lines) == len(VERSIONS)


def images_in(text: str) -> set[str]:
    """The images that a file starts from or runs, and ours wherever it is named, without their registries."""
    keyed = re.findall(r"\b(?:image|worker_image|head_image): *[\"']?([^\s\"'&*]+)", text)
    bases = re.findall(r"^FROM +(\S+)", text, re.MULTILINE)
    ours = re.findall(r"\bprofl-ray:[\w.-]+", text)
    return {name.rpartition("/")[2] for name in [*keyed, *bases, *ours]}


@every_file
def test_images_are_those_of_the_one_place(path: Path) -> None:
    assert images_in(path.read_text()) <= IMAGES


@pytest.mark.parametrize(
    ("text", "image"),
    [
        ("  image: postgres:17\n", "postgres:17"),
        ("FROM python:3.12-slim\n", "python:3.12-slim"),
        ("      worker_image: here.example/a/profl-ray:0.2.0-cuda\n", "profl-ray:0.2.0-cuda"),
        ("docker build -t profl-ray:latest .", "profl-ray:latest"),
        ("image: ubuntu", "ubuntu"),
    ],
)
def test_other_images_would_be_found(text: str, image: str) -> None:
    assert images_in(text) == {image}


@every_file
def test_no_image_or_package_floats(path: Path) -> None:
    text = path.read_text()
    assert ":latest" not in text
    assert set(re.findall(r"ray\[[a-z,]+\]==([\d.]+)", text)) <= {VERSIONS["RAY_VERSION"]}
    assert set(re.findall(r"rayVersion: \"?([\d.]+)", text)) <= {VERSIONS["RAY_VERSION"]}
    assert set(re.findall(r"kuberay-operator --version ([\d.]+)", text)) <= {VERSIONS["KUBERAY_VERSION"]}
    assert set(re.findall(r"Kubernetes (\d[\d.]+)", text)) <= {VERSIONS["KUBERNETES_VERSION"]}


@every_file
def test_shared_paths_are_the_shared_path(path: Path) -> None:
    text = path.read_text()
    assert set(re.findall(r"(?:storage|data)\.root=(/\S+)", text)) <= {f"{VERSIONS['SHARED_PATH']}/runs"}


@pytest.mark.parametrize("package", ["ray", "torch", "torchvision", "mlflow"])
def test_constraints_pin_the_named_versions(package: str) -> None:
    assert PINS[package] == Version(VERSIONS[f"{package.upper()}_VERSION"])


@pytest.mark.parametrize("line", PROJECT["dependencies"])
def test_constraints_keep_pyprojects_bounds(line: str) -> None:
    requirement = Requirement(line)
    assert PINS[canonicalize_name(requirement.name)] in requirement.specifier


def test_constraints_pin_what_the_image_adds() -> None:
    wanted = [line.partition("#")[0].strip() for line in kit.REQUIREMENTS.read_text().splitlines()]
    assert all(canonicalize_name(name) in PINS for name in wanted if name)


def test_constraints_pin_exactly_and_nothing_twice() -> None:
    lines = [line for line in kit.CONSTRAINTS.read_text().splitlines() if not line.startswith("#")]
    assert len(lines) == len(PINS)
    names = [line.partition("==")[0] for line in lines]
    assert names == sorted(names)


def test_python_is_one_that_the_project_takes() -> None:
    assert VERSIONS["PYTHON_IMAGE"].startswith(f"python:{VERSIONS['PYTHON_VERSION']}.")
    assert VERSIONS["PYTHON_VERSION"] in Requirement(f"x{PROJECT['requires-python']}").specifier


def test_the_image_is_named_after_the_project() -> None:
    assert PROJECT["version"] == VERSIONS["PROFL_RAY_VERSION"]
    assert VERSIONS["PROFL_IMAGE"] == f"{PROJECT['name']}:{PROJECT['version']}-cpu"
    assert VERSIONS["PROFL_GPU_IMAGE"] == f"{PROJECT['name']}:{PROJECT['version']}-cuda"
    assert profl_ray.__name__ == PROJECT["name"].replace("-", "_")


def test_launcher_files_are_checked_by_the_ray_that_they_start() -> None:
    # Another Ray would validate against another schema. Newer ones of the same series are near enough.
    assert Version(version("ray")).release[:1] == Version(VERSIONS["RAY_VERSION"]).release[:1]
    assert platform.python_implementation() == "CPython"
