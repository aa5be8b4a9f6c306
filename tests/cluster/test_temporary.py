"""Sockets have short paths, wherever the temporary folder is."""

import tempfile

import pytest

from profl_ray.cluster.temporary import PYTHONS_SOCKET, RAYS_SOCKET, ray_folder, short_root, short_temporary
from profl_ray.errors import NoRay

LONGEST = 107 - len(RAYS_SOCKET)


@pytest.fixture(autouse=True)
def nothing_named(monkeypatch):
    monkeypatch.delenv("RAY_TMPDIR", raising=False)


@pytest.fixture
def temporary(monkeypatch):
    return lambda path: monkeypatch.setattr(tempfile, "tempdir", path)


def test_rays_folder_is_below_the_temporary_one(temporary):
    temporary("/somewhere")
    assert str(ray_folder()) == "/somewhere/ray"


def test_a_temporary_folder_that_is_too_long_is_left_aside(temporary):
    temporary("/" + "x" * (LONGEST - 5))
    assert len(str(ray_folder())) == LONGEST
    temporary("/" + "x" * (LONGEST - 4))
    assert str(ray_folder()) == "/tmp/ray"


def test_a_folder_of_ours_leaves_room_for_rays_own(temporary):
    for length, found in ((LONGEST - 10, "/" + "x" * (LONGEST - 11)), (LONGEST - 9, "/tmp")):
        temporary("/" + "x" * (length - 1))
        assert str(short_root("/ours-/ray")) == found


def test_a_folder_that_the_user_named_is_not_replaced(monkeypatch):
    monkeypatch.setenv("RAY_TMPDIR", "/" + "x" * 90)
    with pytest.raises(NoRay, match=r"is too long for Ray's sockets .* \(fix: RAY_TMPDIR=/tmp\)"):
        ray_folder()


def test_only_a_tmpdir_that_is_too_long_is_replaced():
    longest = "x" * (107 - len(PYTHONS_SOCKET))
    for before, after in ((longest, longest), (longest + "x", "/short")):
        environment = {"TMPDIR": before}
        short_temporary(environment, "/short")
        assert environment == {"TMPDIR": after}
    environment = {}
    short_temporary(environment)
    assert environment == {}
