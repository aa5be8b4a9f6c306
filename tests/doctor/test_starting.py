from profl_ray.doctor.starting import starting_findings


def test_the_folder_for_rays_sockets_is_named(monkeypatch, tmp_path):
    monkeypatch.setenv("RAY_TMPDIR", "/tmp")
    (finding,) = starting_findings()
    assert finding.level == "ok" and finding.what == "one of our own starts in /tmp/ray"


def test_a_folder_that_is_too_long_fails_as_the_commands_do(monkeypatch):
    monkeypatch.setenv("RAY_TMPDIR", "/tmp/" + "x" * 60)
    (finding,) = starting_findings()
    assert finding.level == "fail" and "is too long for Ray's sockets" in finding.what


def test_a_folder_that_cannot_be_made_fails(monkeypatch, tmp_path):
    monkeypatch.setattr("profl_ray.doctor.starting.ray_folder", lambda: tmp_path / "file" / "ray")
    (tmp_path / "file").touch()
    (finding,) = starting_findings()
    assert finding.level == "fail" and "is in the way" in finding.what
