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
