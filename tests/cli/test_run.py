"""`run` and `report` in this process."""

import json
import signal
import threading

import pytest

from profl_ray.cli.run import stop_on_signal

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


def test_a_run_ends_with_one_json_line_and_is_found_in_its_folder(profl_ray, tmp_path):
    result = profl_ray("run", "digits_tiny", *SHORT, "tracking.enabled=false", "storage.root=runs", "--json")
    assert result.code == 0
    (line,) = result.out.splitlines()
    summary = json.loads(line)
    assert summary["finished"] and summary["rounds"] == 4
    assert {"run_id", "final_accuracy", "peak_need_mib", "reduction", "weights_sha256"} <= set(summary)
    assert sum(text.startswith("round") for text in result.err.splitlines()) == 4
    folder = tmp_path / "runs" / summary["run_id"]
    assert len((folder / "records.jsonl").read_text().splitlines()) == 4
    again = profl_ray("run", "digits_tiny", "storage.root=runs", "--resume", summary["run_id"], "--json")
    assert again.code == 0
    assert json.loads(again.out)["weights_sha256"] == summary["weights_sha256"]
    assert "round " not in again.err, "a finished run plays nothing"


def test_a_run_of_another_format_is_refused_and_left_as_it_is(profl_ray, tmp_path):
    begun = profl_ray("run", "digits_tiny", *SHORT, "tracking.enabled=false", "storage.root=runs", "--json")
    folder = tmp_path / "runs" / json.loads(begun.out)["run_id"]
    facts = json.loads((folder / "run.json").read_text())
    facts |= {"format": facts["format"] - 1, "written_by": "profl-ray 0.1.0.dev at 1a3ad41"}
    (folder / "run.json").write_text(json.dumps(facts))
    before = {path: path.read_bytes() for path in folder.rglob("*") if path.is_file()}
    result = profl_ray("run", "digits_tiny", "storage.root=runs", "--resume", folder.name)
    assert (result.code, result.out, result.err.count("\n")) == (2, "", 1)
    assert "run.json has format 4, written by profl-ray 0.1.0.dev at 1a3ad41; this is profl-ray" in result.err
    assert {path: path.read_bytes() for path in folder.rglob("*") if path.is_file()} == before


def test_a_run_of_a_file_of_any_name_can_be_resumed(profl_ray, tmp_path):
    for stem, label in (("my exp", "my-exp"), ("exp(1)", "exp-1"), ("e" * 250, "e" * 100)):
        (tmp_path / f"{stem}.yaml").write_text("base: digits_tiny\n")
        command = ("run", f"{stem}.yaml", "storage.root=runs", "tracking.enabled=false", "--json")
        begun = json.loads(profl_ray(*command, *SHORT).out)
        assert begun["run_id"].startswith(f"{label}-")
        again = profl_ray(*command, "--resume", begun["run_id"])
        assert again.code == 0 and json.loads(again.out)["weights_sha256"] == begun["weights_sha256"]


def test_a_path_is_taken_as_it_stands(profl_ray, tmp_path):
    result = profl_ray(
        "run", "digits_tiny", *SHORT, "tracking.enabled=false", "storage.root=run #3", "--json"
    )
    assert result.code == 0
    assert (tmp_path / "run #3" / json.loads(result.out)["run_id"] / "run.json").is_file()


def test_a_tracked_run_can_be_reported(profl_ray, tmp_path):
    run = profl_ray("run", "digits_tiny", *SHORT, "storage.root=runs", "--json")
    assert run.code == 0
    summary = json.loads(run.out)
    assert f"MLflow run {summary['mlflow_run_id']} in sqlite:///{tmp_path}/runs/mlflow.db" in run.err
    result = profl_ray("report", "storage.root=runs", "--output", "made/page.html", "--csv", "made/table.csv")
    assert result.code == 0 and "wrote made/page.html" in result.out and "wrote made/table.csv" in result.out
    page = (tmp_path / "made" / "page.html").read_text()
    assert page.lstrip().lower().startswith("<!doctype html") and summary["run_id"] in page
    assert len((tmp_path / "made" / "table.csv").read_text().splitlines()) == 2
    named = profl_ray("report", summary["run_id"], "storage.root=runs", "--output", "page.html")
    assert named.code == 0
    unknown = profl_ray("report", "nosuch", "storage.root=runs", "--output", "other.html")
    assert (
        unknown.code == 2
        and unknown.err.startswith("error: unknown sweep")
        and summary["run_id"] in unknown.err
    )
    assert not (tmp_path / "other.html").exists()


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_the_first_signal_stops_in_order_and_a_second_ctrl_c_at_once(number, capsys, monkeypatch):
    monkeypatch.setattr("profl_ray.signals.REPEAT_SECONDS", 0.0)  # People are slower.
    asked = threading.Event()
    before = [signal.getsignal(n) for n in (signal.SIGINT, signal.SIGTERM)]
    with pytest.raises(KeyboardInterrupt), stop_on_signal(asked.set):
        signal.raise_signal(number)
        assert asked.is_set()
        signal.raise_signal(signal.SIGINT)
    assert [signal.getsignal(n) for n in (signal.SIGINT, signal.SIGTERM)] == before
    assert capsys.readouterr().err == "stopping after this round; everything is saved\n"
