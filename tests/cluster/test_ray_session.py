"""One start-up of Ray for all commands: what keeps it from starting is one line."""

import pytest

from profl_ray.cluster import ray_session as session_module
from profl_ray.cluster.ray_session import ray_session
from profl_ray.errors import NoRay


@pytest.fixture(autouse=True)
def nothing_named(monkeypatch):
    for name in ("RAY_TMPDIR", "RAY_JOB_ID", "RAY_ADDRESS"):
        monkeypatch.delenv(name, raising=False)


@pytest.mark.parametrize(
    ("address", "words"),
    [
        ("http://127.0.0.1:8265", "is a job server's address"),
        ("ray://127.0.0.1:10001", "is the address of Ray Client"),
        ("what", "cannot be reached"),
        ("127.0.0.1:9", "cannot be reached"),
        ("nowhere.invalid:6379", "cannot be reached"),
    ],
)
def test_an_address_that_leads_nowhere_is_one_line(monkeypatch, address, words):
    import ray

    monkeypatch.setattr(ray, "is_initialized", lambda: False)
    monkeypatch.setenv("RAY_ADDRESS", address)
    with pytest.raises(NoRay, match=words) as caught, ray_session():
        raise AssertionError("connected")
    assert "\n" not in str(caught.value) and caught.value.fix


def test_a_folder_that_cannot_be_made_is_one_line(monkeypatch, tmp_path):
    import ray

    monkeypatch.setattr(ray, "is_initialized", lambda: False)
    (tmp_path / "file").touch()
    monkeypatch.setattr(session_module, "ray_folder", lambda: tmp_path / "file" / "ray")
    with pytest.raises(NoRay, match="Ray does not start on this machine, in"), ray_session():
        raise AssertionError("started")
