import shutil
from collections import namedtuple

import pytest

from profl_ray.doctor import probe, storage
from profl_ray.doctor.storage import storage_findings, trial_files, unusable

from .kit import STORAGE, answer, levels

Usage = namedtuple("Usage", "total used free")


@pytest.fixture(autouse=True)
def impatient(monkeypatch):
    """A file that does not come is not waited for."""
    monkeypatch.setattr(probe, "SHARED_SECONDS", 0.0)
    monkeypatch.setattr(storage, "SHARED_SECONDS", 0.0)


def of_storage(findings):
    return [finding for finding in findings if finding.check == "storage"]


def test_a_good_folder_is_tried_and_nothing_stays(tmp_path):
    root = tmp_path / "deep" / "runs"
    with trial_files(root) as folder:
        told = probe.try_folder(folder, "a")
        assert told == STORAGE
        assert levels(storage_findings(root, folder, [answer(storage=told)])) == ["ok", "ok"]
    assert list(tmp_path.iterdir()) == []


def test_a_folder_that_was_there_stays_with_what_is_in_it(tmp_path):
    (tmp_path / "run").mkdir()
    with trial_files(tmp_path):
        pass
    assert [path.name for path in tmp_path.iterdir()] == ["run"]


def test_what_is_put_into_a_new_root_meanwhile_stays(tmp_path):
    with trial_files(tmp_path / "runs"):
        (tmp_path / "runs" / "mine").touch()
    assert (tmp_path / "runs" / "mine").exists()


def test_a_root_below_a_file_cannot_be_used(tmp_path):
    (tmp_path / "file").touch()
    root = tmp_path / "file" / "runs"
    with pytest.raises(OSError) as caught, trial_files(root):
        pass
    finding = unusable(root, caught.value)
    assert finding.level == "fail" and "Not a directory" in finding.what and "storage.root=" in finding.fix


def test_another_folder_under_the_same_path_is_not_shared(tmp_path):
    mine, theirs = tmp_path / "mine", tmp_path / "theirs"
    theirs.mkdir()
    with trial_files(mine) as folder:
        told = probe.try_folder(theirs / folder.name, "b")
        assert told == {"seen": False, "what": "is another folder here"}
        assert probe.try_folder(tmp_path / "none" / folder.name, "c")["what"] == "is not there"
        (finding,) = of_storage(storage_findings(mine, folder, [answer("b", storage=told)]))
    assert finding.level == "fail" and "another folder here on b" in finding.what


def test_a_file_that_is_not_the_drivers_does_not_count(tmp_path):
    with trial_files(tmp_path) as folder:
        (folder / "driver").write_text("something else")
        assert not probe.try_folder(folder, "b")["seen"]


def test_a_lock_that_is_given_twice_is_no_lock(tmp_path):
    folder = tmp_path / ".doctor-x"
    folder.mkdir()
    (folder / "driver").write_text(folder.name)
    told = probe.try_folder(folder, "b")  # The lock is free here.
    assert told == STORAGE | {"locks": False}
    (finding,) = of_storage(storage_findings(tmp_path, folder, [answer("b", storage=told)]))
    assert finding.level == "fail" and "a lock held by the driver is granted to b" in finding.what


def test_what_a_node_writes_must_be_seen(tmp_path):
    with trial_files(tmp_path) as folder:
        (finding,) = of_storage(storage_findings(tmp_path, folder, [answer("b")]))  # It wrote elsewhere.
    assert finding.level == "fail" and "the driver does not see what b writes" in finding.what


@pytest.mark.parametrize(
    ("told", "words"),
    [
        (
            {"seen": True, "written": False, "what": "Read-only file system"},
            "cannot be written on b: Read-only",
        ),
        ({"error": "OSError: stale"}, "cannot be tested on b: OSError: stale"),
        (STORAGE | {"renames": False}, "does not replace the old one on b"),
    ],
)
def test_each_fault_is_told(tmp_path, told, words):
    with trial_files(tmp_path) as folder:
        (folder / "node-b").touch()
        (finding,) = of_storage(storage_findings(tmp_path, folder, [answer("b", storage=told)]))
    assert finding.level == "fail" and words in finding.what


def test_a_folder_that_cannot_be_written_is_reported(tmp_path, monkeypatch):
    with trial_files(tmp_path) as folder:
        (folder / "aside-b").mkdir()  # Where a file should go.
        assert probe.try_folder(folder, "b") == {"seen": True, "written": False, "what": "Is a directory"}


def test_the_folder_of_a_job_is_a_fail(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    assert storage.place_findings(tmp_path / "runs") == []
    monkeypatch.setenv("RAY_JOB_CONFIG_JSON_ENV_VAR", "{}")
    assert levels(storage.place_findings(tmp_path / "runs")) == ["fail"]
    assert storage.place_findings(tmp_path.parent) == []


@pytest.mark.parametrize(("free_mib", "level"), [(100, "fail"), (1000, "warn"), (5000, "ok")])
def test_free_space(tmp_path, monkeypatch, free_mib, level):
    monkeypatch.setattr(shutil, "disk_usage", lambda _path: Usage(10**12, 0, free_mib * 2**20))
    assert storage.space_finding(tmp_path).level == level
