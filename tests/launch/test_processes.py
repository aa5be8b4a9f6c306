import os
import signal
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

from profl_ray.launch import processes
from profl_ray.launch.guard import Guard

STUBBORN = """
import os, signal, subprocess, sys, time
signal.signal(signal.SIGTERM, signal.SIG_IGN)
sleep = [sys.executable, "-c", "import time; time.sleep(300)"]
subprocess.Popen(sleep)                                             # a child
subprocess.Popen(sleep, start_new_session=True)                     # in a session of its own
subprocess.Popen(["sh", "-c", "sleep 300 & exec true"])             # an orphan
print("ready", flush=True)
time.sleep(300)
"""


def start(mark: str, code: str = STUBBORN) -> "subprocess.Popen[bytes]":
    child = processes.start([sys.executable, "-c", code], os.environ, mark, subprocess.PIPE)
    assert child.stdout is not None
    assert child.stdout.readline() == b"ready\n"
    return child


def test_end_leaves_nothing_of_a_stubborn_family(eventually: Callable[..., None], tmp_path: Path) -> None:
    child = start(str(tmp_path))
    eventually(lambda: len(processes.family(child.pid, str(tmp_path))) == 4)
    processes.end(child, str(tmp_path), grace_seconds=0.2)
    assert processes.family(child.pid, str(tmp_path), reaped=True) == []
    assert child.returncode == -signal.SIGKILL


def test_end_touches_no_other_process(tmp_path: Path) -> None:
    other = start(f"{tmp_path}-other", "import time; print('ready', flush=True); time.sleep(300)")
    try:
        processes.end(start(str(tmp_path)), str(tmp_path), grace_seconds=0.1)
        assert other.poll() is None
    finally:
        processes.end(other, f"{tmp_path}-other")
    assert other.returncode == -signal.SIGTERM


def test_orphans_are_found_when_the_child_has_gone(tmp_path: Path) -> None:
    child = start(str(tmp_path))
    child.kill()
    child.wait()
    assert processes.family(child.pid, str(tmp_path), reaped=True)
    processes.end(child, str(tmp_path))
    assert processes.family(child.pid, str(tmp_path), reaped=True) == []


def test_guard_cleans_up_after_kill_minus_9(eventually: Callable[..., None], tmp_path: Path) -> None:
    folder = tmp_path / "scratch"
    folder.mkdir()
    owner = f"""
import os, subprocess, sys, time
from pathlib import Path
from profl_ray.launch import processes
from profl_ray.launch.guard import Guard
guard = Guard({str(folder)!r}, Path({str(folder)!r}))
child = processes.start([sys.executable, "-c", "import subprocess, time; "
    "subprocess.Popen(['sleep', '300'], start_new_session=True); time.sleep(300)"],
    os.environ, {str(folder)!r}, subprocess.DEVNULL)
guard.watch(child.pid)
print(child.pid, flush=True)
time.sleep(300)
"""
    source = str(Path(processes.__file__).parents[2])
    process = subprocess.Popen(
        [sys.executable, "-c", owner], stdout=subprocess.PIPE, env={**os.environ, "PYTHONPATH": source}
    )
    assert process.stdout is not None
    pid = int(process.stdout.readline())
    eventually(lambda: len(processes.family(pid, str(folder))) == 2)
    process.kill()
    process.wait()
    process.stdout.close()
    eventually(lambda: not processes.family(pid, str(folder), reaped=True) and not folder.exists())


def test_a_dismissed_guard_does_nothing(tmp_path: Path) -> None:
    guard = Guard("unused", tmp_path)
    guard.watch(os.getpid())
    guard.dismiss()
    assert tmp_path.is_dir()
