import subprocess

import pytest

from profl_ray import __version__, provenance
from profl_ray.provenance import machine_type, program, source_digest


def test_the_digest_sees_every_file_of_the_rooms_and_no_other(tmp_path, monkeypatch):
    monkeypatch.setattr(provenance, "PACKAGE", tmp_path)
    digest = source_digest.__wrapped__
    for room in ("models", "training", "cli"):
        (tmp_path / room / "deep").mkdir(parents=True)
        (tmp_path / room / "code.py").write_text("x = 1")
        (tmp_path / room / "deep" / "code.py").write_text("y = 1")
    before = digest("models", "training")
    (tmp_path / "cli" / "code.py").write_text("x = 2")
    assert digest("models", "training") == before
    (tmp_path / "models" / "deep" / "code.py").write_text("y = 2")
    changed = digest("models", "training")
    assert changed != before
    (tmp_path / "training" / "code.py").rename(tmp_path / "training" / "renamed.py")
    assert digest("models", "training") not in (before, changed)


def test_the_digest_sees_a_single_module(tmp_path, monkeypatch):
    monkeypatch.setattr(provenance, "PACKAGE", tmp_path)
    digest = source_digest.__wrapped__
    (tmp_path / "randomness.py").write_text("x = 1")
    before = digest("randomness.py")
    (tmp_path / "randomness.py").write_text("x = 2")
    assert digest("randomness.py") != before
    with pytest.raises(AssertionError, match="nonsense"):
        digest("nonsense")


def test_the_machine_is_named():
    assert "2." in machine_type() and len(machine_type().split()) >= 3


def test_the_program_is_named_by_its_commit_where_there_is_one(tmp_path, monkeypatch):
    def git(*words):
        command = ["git", "-C", str(tmp_path), "-c", "user.name=x", "-c", "user.email=x@x", *words]
        return subprocess.run(command, check=True, capture_output=True, text=True).stdout.strip()

    package = tmp_path / "profl_ray"
    package.mkdir()
    (package / "code.py").write_text("x = 1")
    monkeypatch.setattr(provenance, "PACKAGE", package)
    monkeypatch.setattr(provenance, "source_digest", lambda room: "0123456789abcdef")
    name = program.__wrapped__
    assert name() == f"profl-ray {__version__} at sources 0123456789ab"
    git("init", "-q")
    git("add", ".")
    git("commit", "-qm", "first")
    assert name() == f"profl-ray {__version__} at {git('rev-parse', '--short', 'HEAD')}"
    (package / "code.py").write_text("x = 2")
    assert name().endswith("-dirty")
