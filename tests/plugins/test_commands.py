"""Commands with something from outside: refused in one line before anything is written, here and on Ray."""

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
BAD = "strategy.name=./bad.py:Mine"
COMMANDS = {
    "run": ("run", "digits_tiny", BAD),
    "sweep": ("sweep", "./bad_space.py"),
    "sweep of ours": ("sweep", "freezing", BAD),
    "compare": ("compare", "digits_tiny", "--strategies", "profl,./bad.py:Mine"),
    "memory": ("memory", BAD, "--model", "cnn"),
    "doctor": ("doctor", BAD),
    "submit": ("submit", "--working-dir", ".", "run", "digits_tiny", "storage.root=/shared", BAD),
    "submit a sweep": ("submit", "--installed", "sweep", "./bad_space.py", "storage.root=/shared"),
}


@pytest.fixture
def program(here, no_ray):
    """Run the program in a process of its own, in the folder with people's files."""

    def run(*arguments):
        return subprocess.run(
            [sys.executable, "-m", "profl_ray", *arguments],
            cwd=here,
            env={**os.environ, "PYTHONPATH": str(ROOT)},
            capture_output=True,
            text=True,
            timeout=240,
            check=False,
        )

    return run


@pytest.mark.parametrize("command", COMMANDS)
def test_a_plug_in_that_does_not_import_is_one_line(here, profl_ray, command, monkeypatch):
    (here / "bad.py").write_text("x = (\n")
    (here / "bad_space.py").write_text((here / "my_space.py").read_text().replace("my_space", "bad_space"))
    (here / "bad_space.py").write_text((here / "bad_space.py").read_text().replace("./mine.py", "./bad.py"))
    (here / "profl_ray").mkdir()
    (here / "profl_ray" / "__main__.py").write_text("")
    before = sorted(here.rglob("*"))
    result = profl_ray(*COMMANDS[command])
    assert result.code == 2 and result.out == ""
    assert result.err == f"error: strategy.name=./bad.py:Mine: {here}/bad.py:1: '(' was never closed\n"
    assert sorted(here.rglob("*")) == before


def test_a_run_trains_it_and_notes_its_source(here, profl_ray):
    settings = ("strategy.name=./mine.py:Mine", "strategy.mine.alpha=0.5", "strategy.rounds=2")
    result = profl_ray("run", "digits_tiny", *settings, "tracking.enabled=false", "--json")
    assert result.code == 0, result.err
    run = here / "runs" / json.loads(result.out.splitlines()[-1])["run_id"]
    facts = json.loads((run / "run.json").read_text())
    assert list(facts["plugins"]) == ["strategy.name"]
    (copy,) = (run / "plugins").iterdir()
    assert copy.read_text() == (here / "mine.py").read_text()


def test_a_resumed_run_says_that_its_plug_in_was_edited(here, profl_ray):
    settings = ("strategy.name=./mine.py:Mine", "strategy.rounds=2", "tracking.enabled=false")
    begun = profl_ray("run", "digits_tiny", *settings, "--json")
    run_id = json.loads(begun.out.splitlines()[-1])["run_id"]
    (here / "mine.py").write_text((here / "mine.py").read_text() + "\n# Another thought.\n")
    result = profl_ray("run", "digits_tiny", "tracking.enabled=false", "--resume", run_id, "--json")
    assert result.code == 0, result.err
    (notice,) = json.loads(result.out.splitlines()[-1])["notices"]
    assert notice == f"strategy.name={here}/mine.py:Mine was edited since the run was begun"


@pytest.mark.ray
def test_the_same_weights_on_ray_and_in_a_sweep(program):
    settings = ("strategy.name=./mine.py:Mine", "strategy.mine.alpha=0.5", "strategy.rounds=2")
    others = (
        "model.name=others.py:Wide",
        "data.name=others.py:few",
        "data.split.name=others.py:blocks",
    )
    digests = set()
    for backend in ("in_process", "ray"):
        fleet = (f"fleet.backend={backend}", "tracking.enabled=false")
        result = program("run", "digits_tiny", *settings, *others, *fleet, "--json")
        assert result.returncode == 0, result.stderr
        digests.add(json.loads(result.stdout.splitlines()[-1])["weights_sha256"])
    assert len(digests) == 1
    result = program("sweep", "./my_space.py", "--json")
    assert result.returncode == 0, result.stderr
    outcome = json.loads(result.stdout.splitlines()[-1])
    assert (outcome["num_trials"], outcome["num_failed"]) == (2, 0)
    assert outcome["best_settings"].keys() == {"strategy.mine.alpha"}


ELSEWHERE = "import sys\nif 'default_worker.py' in sys.argv[0]:\n    import not_on_this_node\n"


@pytest.mark.ray
@pytest.mark.parametrize("command", ["run", "sweep"])
def test_a_worker_that_cannot_import_it_is_one_line(here, program, command):
    """As on a node that lacks a library."""
    (here / "mine.py").write_text(f"{(here / 'mine.py').read_text()}\n{ELSEWHERE}")
    if command == "run":
        result = program("run", "digits_tiny", "strategy.name=./mine.py:Mine", "fleet.backend=ray")
    else:
        result = program("sweep", "./my_space.py")
    assert result.returncode == 2, result.stdout + result.stderr
    assert "Traceback" not in result.stderr
    assert "mine.py:" in result.stderr and "No module named 'not_on_this_node'" in result.stderr
    assert not [path for path in (here / "runs").glob("*") if path.name != "cache"]
