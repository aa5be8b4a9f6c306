import pytest

from profl_ray.doctor import upload
from profl_ray.doctor.upload import upload_findings
from profl_ray.launch import upload as measured

MIB = 2**20


@pytest.fixture
def project(tmp_path, monkeypatch):
    """A folder with 3 MiB of data, where the limit is 2 MiB."""
    monkeypatch.setattr(measured, "upload_limit_bytes", lambda: 2 * MIB)
    monkeypatch.setattr(upload, "upload_limit_bytes", lambda: 2 * MIB)
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

    monkeypatch.setattr(upload, "upload_size", moved)
    (finding,) = upload_findings(project)
    assert finding.level == "warn" and "not measured" in finding.what
