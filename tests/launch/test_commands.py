import json
import os
import subprocess
from pathlib import Path

import pytest

from profl_ray.errors import UserError
from profl_ray.launch import head as head_module
from profl_ray.launch.clutter import ClutterFilter
from profl_ray.launch.demo import JOB_ENVIRONMENT, newest_report, source_folder
from profl_ray.launch.head import LocalHead, base_environment, head_command
from profl_ray.launch.scratch import Scratch
from profl_ray.launch.submit import submit_command
from profl_ray.launch.ui import run_ui, ui_command


def test_head_command_names_every_port_and_the_loopback(tmp_path: Path) -> None:
    command = head_command(list(range(20001, 20010)), tmp_path, 3)
    assert command[4:7] == ["start", "--head", "--block"]
    assert all(str(port) in command for port in range(20001, 20010))
    assert command[command.index("--node-ip-address") + 1] == "127.0.0.1"
    assert command[command.index("--dashboard-host") + 1] == "127.0.0.1"
    assert command[command.index("--num-cpus") + 1] == "3"
    assert "--num-cpus" not in head_command(list(range(9)), tmp_path, None)


def test_other_clusters_are_out_of_reach(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("RAY_ADDRESS", "elsewhere:6379")
    monkeypatch.setenv("no_proxy", "intranet")
    environment = base_environment()
    assert "RAY_ADDRESS" not in environment
    assert environment["no_proxy"] == "intranet,127.0.0.1,localhost,::1"


def test_two_heads_have_their_own_tokens_and_ports() -> None:
    first, second = LocalHead(1), LocalHead(1)
    assert first.address != second.address
    tokens = {head.client_environment()["RAY_AUTH_TOKEN"] for head in (first, second)}
    assert len(tokens) == 2
    assert not any(token in " ".join(head_command(list(range(9)), Path("/x"), 1)) for token in tokens)


def test_head_refuses_no_cpus() -> None:
    with pytest.raises(UserError, match="num_cpus: 0"):
        LocalHead(0)


def test_a_missing_program_is_named(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(head_module, "find_spec", lambda name: None)
    with pytest.raises(UserError, match="has no ray: install the project there"):
        head_module.program("ray")


@pytest.mark.parametrize("name", ["ray", "mlflow"])
def test_programs_start_wherever_their_scripts_and_the_user_are(name: str, tmp_path: Path) -> None:
    (tmp_path / name).mkdir()
    (tmp_path / name / "__init__.py").write_text("raise SystemExit('not the package')")
    done = subprocess.run(
        [*head_module.program(name), "--version"], cwd=tmp_path, capture_output=True, text=True, check=True
    )
    assert "version" in done.stdout


def test_submit_command_keeps_the_jobs_arguments_apart(tmp_path: Path) -> None:
    command = submit_command("http://x:1", "job-1", ["python", "--", "a b"], JOB_ENVIRONMENT, tmp_path)
    assert command[command.index("--") + 1 :] == ["python", "--", "a b"]
    environment = json.loads(command[command.index("--runtime-env-json") + 1])
    assert environment == {"env_vars": JOB_ENVIRONMENT}
    assert "--working-dir" not in submit_command("http://x:1", "job-1", ["python"], {}, None)


def test_filter_hides_rays_banners_and_shows_errors_once() -> None:
    head = "2026-11-23 07:51:14,100\t"
    shown = {
        head + "INFO cli.py:42 -- Job submission server address: http://127.0.0.1:1\n": None,
        head + "SUCC cli.py:67 -- Job 'x' submitted successfully\n": None,
        "Running entrypoint for job x: python a.py\n": None,
        "Tip: use less\n": None,
        "round 1: accuracy 0.5\n": "round 1: accuracy 0.5\n",
        "Error: something bad\n": "Error: something bad\n",
        head + "WARNING worker.py:1 -- careful\n": head + "WARNING worker.py:1 -- careful\n",
        head + "ERR cli.py:74 -- -------\n": None,
        head + "ERR cli.py:75 -- Job 'x' failed\n": "Job 'x' failed\n",
        head + "INFO cli.py:89 -- Status message: exit code 2, last available logs (cut):\n": "exit code 2\n",
        "round 1: accuracy 0.5 \n": None,  # the log again
    }
    clutter = ClutterFilter()
    assert {line: clutter(line) for line in shown} == shown


def test_filter_shows_the_whole_message_of_a_job_that_never_started() -> None:
    clutter = ClutterFilter()
    assert clutter("2026-11-23 07:51:14,100\tINFO cli.py:89 -- Status message: no agent\n") == "no agent\n"
    assert clutter("Traceback\n") == "Traceback\n"


def test_scratch_is_short_private_and_outlived_only_until_the_next(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("tempfile.tempdir", "/tmp")
    first = Scratch()
    assert len(str(first.path)) <= 40
    assert first.path.stat().st_mode & 0o077 == 0
    second = Scratch()
    assert first.path.is_dir()  # locked by us: alive
    first._lock.close()  # what our death does
    third = Scratch()
    assert not first.path.exists()
    second.remove()
    third.remove()
    assert not third.path.exists()


def test_ui_needs_runs_and_a_free_port(tmp_path: Path) -> None:
    with pytest.raises(UserError, match=r"run `make demo` first$"):
        run_ui(tmp_path)
    (tmp_path / "mlflow.db").touch()
    with pytest.raises(UserError, match=r"^port: 99999 is not a TCP port"):
        run_ui(tmp_path, port=99999)


def test_ui_command_has_an_absolute_store_on_loopback(tmp_path: Path) -> None:
    command = ui_command(tmp_path, "127.0.0.1", 5000)
    assert f"sqlite:////{str(tmp_path)[1:]}/mlflow.db" in command
    assert command[command.index("--host") + 1] == "127.0.0.1"


def test_newest_report_ignores_older_runs(tmp_path: Path) -> None:
    old, new = tmp_path / "a" / "report.html", tmp_path / "b" / "c" / "report.html"
    for report, written in ((old, 1000.0), (new, 2000.0)):
        report.parent.mkdir(parents=True)
        report.touch()
        os.utime(report, (written, written))
    assert newest_report(tmp_path, since=500.0) == new
    assert newest_report(tmp_path, since=3000.0) is None


def test_sources_are_uploaded_from_the_repository_root() -> None:
    folder = source_folder()
    assert folder is not None
    assert (folder / "profl_ray" / "launch").is_dir()
