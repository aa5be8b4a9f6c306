import errno
import os
import subprocess
import sys

import pytest

from profl_ray.server.durable import append_durably, write_durably

FULL = """
import resource, sys
from pathlib import Path
from profl_ray.server.durable import append_durably, write_durably
resource.setrlimit(resource.RLIMIT_FSIZE, (1000, 1000))
write = {"write": write_durably, "append": append_durably}[sys.argv[1]]
try:
    write(Path(sys.argv[2]), bytes(5000))
except OSError as error:
    print(error.errno, error.filename)
"""


def test_a_file_is_replaced_and_nothing_is_left_beside(tmp_path):
    path = tmp_path / "one"
    write_durably(path, b"old")
    write_durably(path, b"new")
    append_durably(path, b"er")
    assert path.read_bytes() == b"newer" and list(tmp_path.iterdir()) == [path]


@pytest.mark.parametrize("how", ["write", "append"])
def test_a_file_that_the_system_cuts_short_is_told_by_name(tmp_path, how):
    """For real: the system refuses to write more than 1000 bytes, as it does when a disk is full."""
    path = tmp_path / "one"
    path.write_bytes(b"old")
    out = subprocess.run(
        [sys.executable, "-c", FULL, how, str(path)], capture_output=True, text=True, check=True
    ).stdout
    assert out.split() == [str(errno.EFBIG), str(path)]
    if how == "write":
        assert path.read_bytes() == b"old" and list(tmp_path.iterdir()) == [path]


def test_a_kill_while_writing_leaves_the_old_file(tmp_path, monkeypatch):
    path = tmp_path / "one"
    path.write_bytes(b"old")
    script = (
        "import os, signal; from pathlib import Path; from profl_ray.server.durable import write_durably\n"
        "os.fsync = lambda _: os.kill(os.getpid(), signal.SIGKILL)\n"
        f"write_durably(Path({str(path)!r}), bytes(10**6))"
    )
    assert subprocess.run([sys.executable, "-c", script], check=False).returncode == -9
    assert path.read_bytes() == b"old"


def test_a_missing_folder_is_named(tmp_path):
    with pytest.raises(FileNotFoundError) as caught:
        write_durably(tmp_path / "gone" / "one", b"")
    assert caught.value.filename and os.fspath(tmp_path) in caught.value.filename
