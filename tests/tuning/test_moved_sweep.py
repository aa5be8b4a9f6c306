"""A sweep whose results folder was moved between two processes, to a store that is another one."""

import json
import shutil
import signal

import pytest

from profl_ray.config.addresses import default_address
from profl_ray.tracking import prepare_store, read_sweep
from profl_ray.tuning import Choice, SweepRequest, resume_sweep, run_sweep

from .kit import space

pytestmark = pytest.mark.ray


def test_it_resumes_where_it_lies_now_and_is_tracked_where_today_says(local_ray, root, tmp_path, monkeypatch):
    before, now = tmp_path / "a?b", tmp_path / "100% ü"
    before.mkdir()
    prepare_store(default_address(before), "profl-ray", before)
    shutil.copytree(root / "cache", before / "cache") if (root / "cache").exists() else None
    parameters = {"freezing.rounds": Choice.of(1, 2), "model.partition": Choice.of([2, 2])}
    lines = []

    def interrupt(text):
        lines.append(text)
        if text.strip().startswith("done"):
            signal.raise_signal(signal.SIGINT)

    with pytest.raises(KeyboardInterrupt):
        run_sweep(SweepRequest(space(before, parameters), max_concurrent=1), interrupt)
    name = lines[-1].rpartition(" ")[2]
    before.rename(now)
    other = default_address(tmp_path / "other")
    prepare_store(other, "profl-ray", tmp_path / "other")
    monkeypatch.setenv("MLFLOW_TRACKING_URI", other)
    told = []
    request = SweepRequest(space(now, parameters), overrides=(f"storage.root={now}",))
    outcome = resume_sweep(request, name, told.append)
    assert not before.exists()
    assert (outcome.folder, outcome.uri, outcome.num_trials, outcome.num_failed) == (now / name, other, 2, 0)
    assert sum("go to the new run" in line for line in told) == 1
    sweep = read_sweep(other, "profl-ray", name)
    assert sweep.run_id == outcome.parent_run_id and sweep.status == "FINISHED"
    assert [trial.outcome for trial in sweep.trials] == ["finished", "finished"]
    played = [len(path.read_text().splitlines()) for path in now.glob(f"{name}/trials/*/records.jsonl")]
    assert sorted(len(trial.records) for trial in sweep.trials) == sorted(played)
    assert json.loads((now / name / "sweep.json").read_text())["parent_run_id"] == sweep.run_id
