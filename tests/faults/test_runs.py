"""A run that is killed again and again, whose checkpoints are spoilt, whose disk is full."""

import json
import os
import random
import re
import resource
import shutil
import time

import pytest

from .kit import BUSY, comparable, points_lost, read_records, send, undisturbed, wait_for


def arguments(runs, *more):
    return ("run", "digits_tiny", "--json", *BUSY, f"storage.root={runs}", *more)


def started(program, runs, *more):
    """Start a run and return it with its folder's name, once a round is over."""
    process = program.start(*arguments(runs, *more))
    name, lines = None, []
    for line in process.stderr:
        lines.append(line)
        if found := re.match(r"(digits_tiny-\S+): ", line):
            name = found[1]
        if line.startswith("round "):
            return process, name
    raise AssertionError("".join(lines))


def finish(program, runs, name, *more):
    result = program.run(*arguments(runs, "--resume", name, *more), timeout=180)
    assert result.code == 0, result.err
    return json.loads(result.last), result


def spoil(folder, draw):
    """Spoil the newest checkpoint in one of several ways."""
    newest = max(folder.glob("checkpoints/round-*"))
    victim = draw.choice(sorted(newest.iterdir()))
    data = victim.read_bytes()
    kind = draw.choice(["cut", "flip", "empty", "gone"])
    if kind == "cut":
        os.truncate(victim, draw.randrange(len(data)))
    elif kind == "flip":
        at = draw.randrange(len(data))
        victim.write_bytes(data[:at] + bytes([data[at] ^ 1 << draw.randrange(8)]) + data[at + 1 :])
    elif kind == "empty":
        victim.write_bytes(b"")
    else:
        shutil.rmtree(newest)


@pytest.mark.parametrize("num_kills", [2, pytest.param(6, marks=pytest.mark.faults)], ids=["short", "long"])
def test_a_run_that_is_killed_resumes_to_the_same_weights(program, runs, fault, num_kills):
    line, draw = fault(f"kill -9 of the run, at any moment, {num_kills + 1} times"), random.Random(num_kills)
    digest, records = undisturbed(runs)
    process, name = started(program, runs)
    for _ in range(num_kills):
        time.sleep(draw.uniform(0.0, 0.8))
        send(process.pid)
        process.communicate(timeout=30)
        line.injected += 1
        process = program.start(*arguments(runs, "--resume", name))
        time.sleep(draw.uniform(3.0, 7.0))  # While it starts, or in one of its first rounds.
    send(process.pid)
    process.communicate(timeout=30)
    line.injected += 1
    summary, _ = finish(program, runs, name)
    line.survived = line.injected
    line.weights_equal = summary["weights_sha256"] == digest
    line.points_lost = points_lost(
        f"sqlite:///{runs}/mlflow.db", summary["mlflow_run_id"], read_records(runs / name)
    )
    assert line.weights_equal and line.points_lost == 0
    assert comparable(read_records(runs / name)) == records


@pytest.mark.faults
def test_a_spoilt_checkpoint_is_named_and_the_one_before_it_used(program, runs, fault):
    line, draw = fault("newest checkpoint cut, changed, emptied or removed"), random.Random(3)
    digest, _ = undisturbed(runs)
    process, name = started(program, runs, "tracking.enabled=false")
    wait_for(lambda: len(list((runs / name / "checkpoints").glob("round-*"))) == 2)
    send(process.pid)
    process.communicate(timeout=30)
    for _ in range(3):
        before = max((runs / name / "checkpoints").glob("round-*"))
        spoil(runs / name, draw)
        line.injected += 1
        process = program.start(*arguments(runs, "--resume", name, "tracking.enabled=false"))
        # It plays the spoilt round again, and the next one.
        after = f"round-{int(before.name[6:]) + 1:06d}"
        wait_for(lambda after=after: (runs / name / "checkpoints" / after).exists(), seconds=90)
        send(process.pid)
        process.communicate(timeout=30)
        line.survived += 1
    newest = max((runs / name / "checkpoints").glob("round-*"))
    os.truncate(newest / "tensors.safetensors", 100)
    line.injected += 1
    summary, result = finish(program, runs, name, "tracking.enabled=false")
    line.survived += 1
    line.weights_equal = summary["weights_sha256"] == digest
    assert line.weights_equal
    assert newest.name in " ".join(result.err.split()) and "checksum" in result.err


@pytest.mark.faults
def test_a_full_disk_ends_the_run_in_one_line_and_leaves_what_was_saved(program, runs, fault):
    line = fault("disk full (no file may grow further)")
    digest, _ = undisturbed(runs)
    process, name = started(program, runs, "tracking.enabled=false")
    records = runs / name / "records.jsonl"
    wait_for(lambda: len(records.read_text().splitlines()) >= 3)
    limit = records.stat().st_size + 10
    resource.prlimit(process.pid, resource.RLIMIT_FSIZE, (limit, limit))
    line.injected += 1
    _, err = process.communicate(timeout=60)
    last = err.strip().splitlines()[-1]
    assert process.returncode == 2 and "Traceback" not in err, err
    assert re.match(r"error: round \d+ of run \S+ could not be saved: .*File too large", last), last
    assert "--resume" in last
    summary, _ = finish(program, runs, name, "tracking.enabled=false")
    line.survived += 1
    line.weights_equal = summary["weights_sha256"] == digest
    assert line.weights_equal
