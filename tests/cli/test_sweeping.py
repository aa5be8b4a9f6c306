"""What `sweep` and `compare` say before they start."""

from pathlib import Path

import pytest

from profl_ray.cli.sweeping import JOB_FOLDERS, warn_of_temporary_storage
from profl_ray.config import load_experiment


@pytest.mark.parametrize(("folder", "warned"), [(f"{JOB_FOLDERS}/_ray_pkg_1", True), ("project", False)])
def test_results_in_a_jobs_own_folder_are_warned_of(tmp_path, monkeypatch, capsys, folder, warned):
    here = tmp_path / folder
    here.mkdir(parents=True)
    monkeypatch.chdir(here)
    warn_of_temporary_storage(load_experiment("digits_tiny").with_absolute_paths())
    assert ("which Ray removes after the job" in capsys.readouterr().out) is warned
    warn_of_temporary_storage(
        load_experiment("digits_tiny", [f"storage.root={tmp_path}"]).with_absolute_paths()
    )
    assert capsys.readouterr().out == "" and Path.cwd() == here


def test_a_sweep_of_another_format_is_refused_before_ray_starts(profl_ray, tmp_path, monkeypatch):
    def no_ray(*_):
        raise AssertionError("Ray is started")

    monkeypatch.setattr("profl_ray.cluster.ray_session.ray_session", no_ray)
    folder = tmp_path / "runs" / "freezing-1"
    folder.mkdir(parents=True)
    (folder / "sweep.json").write_text('{"space": "freezing", "uri": null}')
    result = profl_ray("sweep", "freezing", "storage.root=runs", "--resume", "freezing-1")
    assert (result.code, result.out, result.err.count("\n")) == (2, "", 1)
    assert "sweep.json has no format number (it was written before format 5)" in result.err
    assert "finish it with commit fcee892" in result.err
    assert [path.name for path in folder.iterdir()] == ["sweep.json"]
