"""Each folder's page: short, whole, and right about the files beside it."""

import re
import shlex
from pathlib import Path

import pytest

from profl_ray.tuning import SweepRequest
from profl_ray.tuning.request import base_config
from tests.clusters import kit
from tune_spaces import find_space

CLOUDLIKE = [path for path in kit.READMES if path.parent.name != "local"]
PLACEHOLDER = re.compile(r"(?:ami-|fs-)?CHANGE-ME(?:-[A-Z]+)?|change-me(?:\.example|-rwx)")
every_readme = pytest.mark.parametrize("path", kit.READMES, ids=kit.name_of)


def commands(text: str) -> list[str]:
    """The page's commands, continuation lines joined."""
    joined = re.sub(r"\\\n\s*", "", text)
    return [line.partition(" #")[0].strip() for line in joined.splitlines() if line.startswith("    ")]


def test_every_folder_has_a_page() -> None:
    assert {path.parent for path in kit.READMES} == {path for path in kit.CLUSTERS.iterdir() if path.is_dir()}


@every_readme
def test_it_is_short_and_says_how_to_take_it_down(path: Path) -> None:
    text = path.read_text()
    assert len(text.splitlines()) <= 75
    assert "## Take it down" in text


@pytest.mark.parametrize("path", CLOUDLIKE, ids=kit.name_of)
def test_it_says_what_it_needs_and_what_was_checked(path: Path) -> None:
    text = path.read_text()
    assert "## Prerequisites" in text
    assert "## What is checked" in text


@every_readme
def test_links_lead_somewhere(path: Path) -> None:
    for target in re.findall(r"\]\((?!http)([^)#]+)", path.read_text()):
        assert (path.parent / target).exists(), target


@every_readme
def test_files_that_it_names_exist(path: Path) -> None:
    for named in re.findall(r"clusters/[\w./-]*\w", path.read_text()):
        assert (kit.ROOT / named).exists() or "/secrets/" in named, named


@every_readme
def test_it_explains_every_placeholder_and_no_other(path: Path) -> None:
    files = list(path.parent.rglob("*.yaml"))
    used = {name for found in files for name in PLACEHOLDER.findall(found.read_text())}
    explained = set(PLACEHOLDER.findall(path.read_text()))
    # Where a file explains itself by the name alone: "what says CHANGE-ME".
    assert explained - {"CHANGE-ME"} == used - {"CHANGE-ME"}


@every_readme
def test_ray_jobs_that_it_shows_would_start(path: Path) -> None:
    jobs = [command for command in commands(path.read_text()) if command.startswith("ray job submit")]
    assert len(jobs) == 1
    for job in jobs:
        words = shlex.split(job.partition(" -- ")[2])
        assert words[:4] == ["python", "-m", "profl_ray", "sweep"]
        config = base_config(SweepRequest(space=find_space(words[4]), overrides=tuple(words[5:])))
        assert config.storage.root == Path(kit.VERSIONS["SHARED_PATH"]) / "runs"
        assert config.tracking.uri is not None
    assert "`profl-ray submit`" in path.read_text()


@every_readme
def test_commands_are_sound(path: Path) -> None:
    # What a reader replaces stands in capitals; the shell takes it for a word.
    script = "\n".join(command for command in commands(path.read_text()) if command)
    parsed = kit.tool("bash", "-n", stdin=script)
    assert parsed.stderr == ""
