"""`profl-ray doctor` as a user runs it, on this machine."""

import json


def test_a_healthy_machine(program, tmp_path):
    result = program.run("doctor", "digits_tiny", f"storage.root={tmp_path}/runs", "--json")
    assert result.code == 0, result.out + result.err
    *lines, count, last = result.out.splitlines()
    values = json.loads(last)
    assert values["fail"] == 0 and len(values["nodes"]) == 1
    assert count == f"{values['ok']} ok, {values['warn']} warn, 0 fail"
    assert sum(line.startswith(("ok    ", "warn  ")) for line in lines) == len(values["findings"])
    told = {finding["check"]: finding for finding in values["findings"]}
    asked = "versions code resources memory storage MLflow upload devices threads"
    assert set(asked.split()) | {"data set", "free space", "open files", "/dev/shm", "memory cap"} <= set(
        told
    )
    assert told["memory cap"]["level"] == told["storage"]["level"] == "ok"
    assert not result.err and "Traceback" not in result.out
    assert not (tmp_path / "runs").exists(), "it leaves no folder"
    program.wait_until_nothing_is_left()


def test_what_is_broken_is_told_with_its_fix(program, tmp_path):
    (tmp_path / "file").touch()
    settings = (f"storage.root={tmp_path}/file/runs", "tracking.uri=http://127.0.0.1:9", "data.name=svhn")
    result = program.run("doctor", *settings, f"data.root={tmp_path}")
    assert result.code == 1, result.out + result.err
    lines = result.out.splitlines()
    for check in ("storage", "MLflow", "data set"):
        (number,) = [i for i, line in enumerate(lines) if line.startswith("fail  " + check)]
        assert lines[number + 1].strip().startswith("-> ")
    assert lines[-1].endswith(", 3 fail") and "Traceback" not in result.out + result.err


def test_an_environment_that_names_no_cluster(program):
    result = program.run("doctor", RAY_ADDRESS="http://127.0.0.1:8265")
    assert result.code == 1, result.out + result.err
    assert result.out.startswith("fail  cluster") and "profl-ray submit" in result.out.splitlines()[1]
