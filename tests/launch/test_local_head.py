"""One real head: a job that succeeds, one that fails, an interrupted demo, nothing left behind."""

import os
import signal
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import pytest

from profl_ray.launch import processes
from profl_ray.launch.demo import run_job
from profl_ray.launch.head import LocalHead

from .kit import Script

# Heads of their own, which are ended.
pytestmark = [pytest.mark.ray, pytest.mark.usefixtures("no_ray")]


def test_jobs_run_and_nothing_is_left(tmp_path: Path, capfd: pytest.CaptureFixture[str]) -> None:
    (tmp_path / "job.py").write_text("import os; print('hello from', os.environ['WHO'])")
    with LocalHead(num_cpus=1) as head:
        scratch = head._scratch.path
        assert run_job(head, Script(("run", "import job"), {"WHO": "the job"}, tmp_path)) == 0
        assert capfd.readouterr().out == "hello from the job\n"
        assert run_job(head, Script(("run", "import job; exit(3)"), {"WHO": "it"}, tmp_path)) == 3
        assert capfd.readouterr().out == "hello from it\n"
        assert len(processes.family(head.pid, str(scratch))) > 5
    assert processes.family(head.pid, str(scratch), reaped=True) == []
    assert not scratch.exists()


def test_an_interrupted_demo_takes_everything_down(eventually: Callable[..., None], tmp_path: Path) -> None:
    code = """
import sys
from profl_ray.launch.demo import Clock, run_on_local_head
job = "import subprocess, time; print('job runs'); subprocess.Popen(['sleep', '300']); time.sleep(300)"
sys.path.insert(0, sys.argv[1])
from kit import Script
sys.exit(run_on_local_head(Script(("run", job), {}, None), 1, Clock(), "a long job"))
"""
    root = Path(processes.__file__).parents[2]
    mark = f"{processes.MARK}_TEST={tmp_path}"
    demo = subprocess.Popen(
        [sys.executable, "-c", code, str(Path(__file__).parent)],
        stdout=subprocess.PIPE,
        text=True,
        env={**os.environ, "PYTHONPATH": str(root), f"{processes.MARK}_TEST": str(tmp_path)},
    )
    assert demo.stdout is not None
    lines = []
    for line in demo.stdout:
        lines.append(line)
        if line == "job runs\n":
            break
    assert lines[-1] == "job runs\n", lines
    demo.send_signal(signal.SIGTERM)
    rest = demo.stdout.read()
    assert demo.wait(timeout=40) == 130
    demo.stdout.close()
    assert "interrupted; the job and Ray are stopped" in rest
    # The mark is inherited by all that the demo started.
    assert not [p for p in processes.running() if processes._environment_has(p.pid, mark)]
