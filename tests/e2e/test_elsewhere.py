"""A run whose results folder, and MLflow, are others when it is resumed."""

import json

SHORT = (
    "federation.num_devices=6",
    "federation.cohort_size=5",
    "data.examples_per_device=40",
    "training.local_epochs=1",
    "evaluation.batch_size=90",
    "freezing.name=fixed_rounds",
    "freezing.rounds=1",
    "freezing.min_rounds=1",
    "strategy.profl.map_rounds=1",
)


def test_a_moved_folder_and_another_mlflow(program, tmp_path):
    home = {"HOME": str(tmp_path / "home")}
    before, now, other = tmp_path / "what?", tmp_path / "50%20 für", f"sqlite:///{tmp_path}/other/mlflow.db"
    first = program.run("run", "digits_tiny", *SHORT, f"storage.root={before}", "--json", **home)
    assert first.code == 0, first.err
    begun = json.loads(first.last)
    before.rename(now)
    words = ("run", "digits_tiny", f"storage.root={now}", "--resume", begun["run_id"], "--json")
    moved = program.run(*words, **home)
    assert moved.code == 0, moved.err
    summary = json.loads(moved.last)
    assert summary["mlflow_run_id"] == begun["mlflow_run_id"]
    assert summary["weights_sha256"] == begun["weights_sha256"]
    (note,) = (line for line in moved.err.splitlines() if line.startswith("note: "))
    assert "was moved or copied: new artifacts go to" in note
    elsewhere = program.run(*words, MLFLOW_TRACKING_URI=other, **home)
    assert elsewhere.code == 0, elsewhere.err
    summary = json.loads(elsewhere.last)
    assert summary["mlflow_run_id"] != begun["mlflow_run_id"]
    (note,) = (line for line in elsewhere.err.splitlines() if line.startswith("note: "))
    assert begun["mlflow_run_id"] in note and summary["mlflow_run_id"] in note and other in note
    off = program.run(*words, "tracking.enabled=false", MLFLOW_TRACKING_URI="http://127.0.0.1:9", **home)
    assert off.code == 0 and "note: " not in off.err
    away = program.run(*words, MLFLOW_TRACKING_URI="http://127.0.0.1:9", **home)
    assert away.code == 2 and "no MLflow server answers there" in away.err.splitlines()[-1]
    report = program.run("report", f"tracking.uri={other}", "--output", tmp_path / "report.html", **home)
    assert report.code == 0 and f"{summary['rounds']}" in report.out
    assert not before.exists()
    names = {path.name for path in tmp_path.iterdir()} - {"home", "report.html"}
    assert names == {now.name, "other"}, "nothing lies elsewhere"
