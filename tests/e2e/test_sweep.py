"""`profl-ray sweep` and `profl-ray demo` as a user runs them: killed, resumed, interrupted."""

import json
import os
import signal
import time

import pytest

from profl_ray.tracking import read_sweep

TINY = (
    "federation.num_devices=20",
    "freezing.max_rounds=2",
    "freezing.min_rounds=1",
    "freezing.max_shrink_rounds=1",
    "strategy.profl.map_rounds=1",
    "training.local_epochs=1",
    "data.examples_per_device=20",
)
FEW = ("--search", "random", "--num-samples", "2", "--max-concurrent", "1")
SOON = {"RAY_gcs_rpc_server_reconnect_timeout_s": "5"}
"""How long Ray's agents look for their killed head before they give up: by default, a minute."""

pytestmark = pytest.mark.filterwarnings("ignore:The ``noload`` loader:DeprecationWarning")


def listen(process, wanted, seconds=120):
    """Return the lines of standard output up to the first that satisfies `wanted`."""
    lines, deadline = [], time.monotonic() + seconds
    for line in process.stdout:
        lines.append(line)
        if wanted(line):
            return lines
        assert time.monotonic() < deadline, lines
    raise AssertionError(f"it ended: {lines} {process.stderr.read()}")


def assert_no_temporary_folder(program):
    # The first is torch's cache, the second is left by multiprocessing when Ray's processes are killed.
    theirs = ("torchinductor_", "pymp-")
    assert [path.name for path in program.temporary.iterdir() if not path.name.startswith(theirs)] == []


def lose(folder):
    """Empty, spoil or remove each file that Tune left."""
    files = sorted(path for path in folder.rglob("*") if path.is_file())
    assert {"tuner.pkl"} <= {path.name for path in files}
    for number, path in enumerate(files):
        if number % 3 == 2:
            path.unlink()
        else:
            path.write_bytes(b"" if number % 3 else b"\x80\x05{not a state")


def test_a_killed_sweep_resumes_without_tunes_state_and_trains_nothing_twice(program, runs):
    # Long enough that the second trial does not end while the kill takes its way.
    options = (*TINY, "freezing.max_rounds=20", "fleet.backend=in_process", f"storage.root={runs}")
    process = program.start("sweep", "freezing", *FEW, *options, **SOON)
    lines = listen(process, lambda line: line.startswith("  done"))
    os.kill(process.pid, signal.SIGKILL)
    process.communicate(timeout=30)
    program.wait_until_nothing_is_left(seconds=180)
    name = next(line for line in lines if line.startswith("sweep ")).split()[1].rstrip(":")
    finished = {
        path: path.read_text()
        for path in (runs / name / "trials").glob("*/records.jsonl")
        if json.loads(path.read_text().splitlines()[-1])["units_grown"] == 4
    }
    assert len(finished) == 1
    lose(runs / name / "tune")

    resumed = program.run("sweep", "freezing", *FEW, *options, "--resume", name, "--json", timeout=180)
    assert resumed.code == 0, resumed.out + resumed.err
    outcome = json.loads(resumed.last)
    assert (outcome["sweep"], outcome["num_trials"], outcome["num_failed"]) == (name, 2, 0)
    assert {path: path.read_text() for path in finished} == finished
    sweep = read_sweep(f"sqlite:///{runs}/mlflow.db", "profl-ray", name)
    assert [trial.outcome for trial in sweep.trials] == ["finished"] * 2
    for trial in sweep.trials:
        rounds = [record.round for record in trial.records]
        assert rounds == list(range(1, len(rounds) + 1))
    program.wait_until_nothing_is_left()


def test_the_demo_shows_its_table_writes_its_report_and_leaves_nothing(program, runs):
    result = program.run("demo", "--space", "freezing", "--storage-root", runs, *TINY, timeout=240)
    assert result.code == 0, result.out + result.err
    header = next(line for line in result.out.splitlines() if line.startswith("#"))
    assert all(word in header for word in ("phi", "partition", "accuracy", "peak MiB", "participation"))
    rows = result.out.splitlines()[result.out.splitlines().index(header) + 2 :][:6]
    assert all("%" in row for row in rows) and sum("[1,3]" in row for row in rows) == 3
    (path,) = {line.rpartition("report: ")[2] for line in result.out.splitlines() if "report: " in line}
    assert "Configuration for experiment" not in result.out, "Tune's own box"
    assert "<html" in (runs / path).read_text()[:500].lower()
    assert "Traceback" not in result.out + result.err
    program.wait_until_nothing_is_left()
    assert_no_temporary_folder(program)
    # A run keeps its own lock; a sweep and its store leave none in its folder.
    assert not [path for path in runs.glob("*/*.lock") if path.name != "run.lock"]


@pytest.mark.parametrize("number", [signal.SIGINT])
def test_an_interrupted_demo_stops_its_trials_and_leaves_nothing(program, runs, number):
    before = set(runs.iterdir()) if runs.is_dir() else set()
    options = (*TINY, "freezing.name=fixed_rounds", "freezing.rounds=5000", "freezing.max_rounds=5000")
    process = program.start("demo", "--storage-root", runs, *options)
    listen(process, lambda line: "round" in line and "need" in line)
    process.send_signal(number)
    out, err = process.communicate(timeout=240)
    assert process.returncode == 130, out + err
    assert "interrupted; the job and Ray are stopped" in out and "Traceback" not in out + err
    program.wait_until_nothing_is_left()
    assert_no_temporary_folder(program)
    (folder,) = [path for path in set(runs.iterdir()) - before if path.name.startswith("freezing-")]
    sweep = read_sweep(f"sqlite:///{runs}/mlflow.db", "profl-ray", folder.name)
    assert "FINISHED" not in {sweep.status, *(trial.status for trial in sweep.trials)}
