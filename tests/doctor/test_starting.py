import pytest

from profl_ray.doctor import starting
from profl_ray.doctor.starting import starting_findings, upload_findings
from profl_ray.launch import upload as measured
from profl_ray.sizes import MIB


def test_the_folder_for_rays_sockets_is_named(monkeypatch, tmp_path):
    monkeypatch.setenv("RAY_TMPDIR", "/tmp")
    (finding,) = starting_findings()
    assert finding.level == "ok" and finding.what == "a local Ray starts in /tmp/ray"


def test_a_folder_that_is_too_long_fails_as_the_commands_do(monkeypatch):
    monkeypatch.setenv("RAY_TMPDIR", "/tmp/" + "x" * 60)
    (finding,) = starting_findings()
    assert finding.level == "fail" and "is too long for Ray's sockets" in finding.what


def test_a_folder_that_cannot_be_made_fails(monkeypatch, tmp_path):
    monkeypatch.setattr("profl_ray.doctor.starting.ray_folder", lambda: tmp_path / "file" / "ray")
    (tmp_path / "file").touch()
    (finding,) = starting_findings()
    assert finding.level == "fail" and "is in the way" in finding.what


@pytest.fixture
def project(tmp_path, monkeypatch):
    """A folder with 3 MiB of data, where the limit is 2 MiB."""
    monkeypatch.setattr(measured, "upload_limit_bytes", lambda: 2 * MIB)
    monkeypatch.setattr(starting, "upload_limit_bytes", lambda: 2 * MIB)
    (tmp_path / "code.py").write_text("x = 1\n")
    (tmp_path / "big").mkdir()
    (tmp_path / "big" / "data.bin").write_bytes(b"0" * (3 * MIB))
    return tmp_path


def test_what_is_too_large_is_a_warning_that_names_it(project):
    (finding,) = upload_findings(project)
    assert finding.level == "warn" and "big 3, code.py 0 MiB" in finding.what
    assert finding.fix.startswith("echo big >> .rayignore")


@pytest.mark.parametrize("ignore", [".gitignore", ".rayignore"])
def test_what_is_ignored_does_not_count(project, ignore):
    (project / ignore).write_text("big/\n")
    assert upload_findings(project)[0].level == "ok"


def test_a_virtual_environment_and_git_do_not_count(project):
    (project / "big").rename(project / ".venv")
    (project / ".git").mkdir()
    (project / ".git" / "pack").write_bytes(b"0" * (3 * MIB))
    assert upload_findings(project)[0].level == "ok"


def test_counting_ends_somewhere(project):
    for i in range(9):
        (project / "big" / f"{i}.bin").write_bytes(b"0" * (3 * MIB))
    total, _ = measured.upload_size(project)
    assert total <= (measured.ENOUGH + 2) * 2 * MIB


def test_another_ray_is_said_to_be_one(project, monkeypatch):
    def moved(_folder):
        raise ImportError("no _dir_travel")

    monkeypatch.setattr(starting, "upload_size", moved)
    (finding,) = upload_findings(project)
    assert finding.level == "warn" and "not measured" in finding.what
