from pathlib import Path
from urllib.error import URLError

import pytest

from profl_ray.config import DataConfig
from profl_ray.errors import UserError
from profl_ray.federation.data_sets.places import base_folders, locate_or_fetch


def _locate(base):
    return base / "file" if (base / "file").is_file() else None


def _fetch(base):
    (base / "file").touch()


def _find(fetch=_fetch, usual=(), **options):
    return locate_or_fetch(DataConfig(name="svhn", **options), _locate, fetch, "the file", usual)


@pytest.fixture(autouse=True)
def _no_environment(monkeypatch):
    monkeypatch.delenv("PROFL_RAY_DATA", raising=False)


def test_a_given_root_is_the_only_place(tmp_path, monkeypatch):
    usual = Path("/usual")
    monkeypatch.setenv("PROFL_RAY_DATA", "/data")
    assert base_folders(DataConfig(name="svhn", root=tmp_path), [usual]) == [tmp_path]
    assert base_folders(DataConfig(name="svhn"), [usual]) == [Path("/data/svhn"), usual]


def test_what_is_there_is_not_fetched(tmp_path):
    _fetch(tmp_path)
    assert _find(fetch=None, root=tmp_path, download=True) == tmp_path / "file"


def test_a_download_goes_into_a_new_root(tmp_path):
    assert _find(root=tmp_path / "a" / "b", download=True) == tmp_path / "a" / "b" / "file"


def test_a_download_goes_into_the_environments_folder(tmp_path, monkeypatch):
    monkeypatch.setenv("PROFL_RAY_DATA", str(tmp_path))
    assert _find(download=True, usual=[tmp_path / "usual"]) == tmp_path / "svhn" / "file"


def test_a_download_needs_a_folder():
    with pytest.raises(UserError, match=r"data.download=true needs data.root=FOLDER, or .*PROFL_RAY_DATA"):
        _find(download=True)


@pytest.mark.parametrize(
    "error", [URLError("no\nroute"), RuntimeError("no\nroute"), TimeoutError("no\nroute")]
)
def test_an_unreachable_download_is_one_line(tmp_path, error):
    def fetch(base):
        raise error

    with pytest.raises(
        UserError, match=r"svhn: download into .* failed \(.*no.*route.*\); put the files"
    ) as caught:
        _find(fetch, root=tmp_path, download=True)
    assert "\n" not in str(caught.value)


def test_a_root_that_cannot_be_made_is_one_line(tmp_path):
    _fetch(tmp_path)
    with pytest.raises(UserError, match=r"download into .* failed"):
        _find(root=tmp_path / "file" / "below", download=True)


def test_a_download_without_the_files_is_told(tmp_path):
    with pytest.raises(UserError, match="the file still not in"):
        _find(lambda base: None, root=tmp_path, download=True)


def test_an_absent_data_set_says_where_it_looked(tmp_path):
    with pytest.raises(UserError, match=r"looked in /usual; set data.root=FOLDER .*or data.download=true"):
        _find(usual=[Path("/usual")])
    with pytest.raises(
        UserError, match=r"looked in no folder \(neither data.root nor PROFL_RAY_DATA is set\)"
    ):
        _find()
