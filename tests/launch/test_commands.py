import os
import subprocess
from pathlib import Path

import pytest

from profl_ray.errors import UserError
from profl_ray.launch import head as head_module
from profl_ray.launch.demo import newest_report, source_folder
from profl_ray.launch.head import LocalHead, base_environment, head_command
from profl_ray.launch.output import JobOutput
from profl_ray.launch.scratch import Scratch
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


def test_rays_banners_are_hidden_and_all_else_is_shown(capsys: pytest.CaptureFixture[str]) -> None:
    head = "2026-11-23 07:51:14,100\t"
    hidden = [
        head + "INFO worker.py:42 -- Connecting to existing Ray cluster\n",
        "Running entrypoint for job x: python a.py\n",
        "Tip: use less\n",
    ]
    shown = ["round 1: accuracy 0.5\n", "Error: bad\n", head + "WARNING worker.py:1 -- careful\n", "open"]
    output = JobOutput()
    text = "".join(line for pair in zip([*hidden, ""], shown, strict=True) for line in pair)
    for start in range(0, len(text), 7):
        output.write(text[start : start + 7])
    output.end()
    assert capsys.readouterr().out == "".join(shown)


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
