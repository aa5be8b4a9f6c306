"""Output that cannot be written: in processes of their own, whose standard output it is."""

import os
import signal
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
FULL = Path("/dev/full")
needs_full = pytest.mark.skipif(not FULL.exists(), reason="no /dev/full")


def start(*arguments, stdout=-1, stderr=-1, code=None, **environment):
    command = ["-c", code] if code else ["-m", "profl_ray", *map(str, arguments)]
    return subprocess.Popen(
        [sys.executable, *command],
        env=os.environ | {"PYTHONPATH": str(ROOT)} | environment,
        stdin=subprocess.DEVNULL,
        stdout=stdout,
        stderr=stderr,
        text=True,
        preexec_fn=lambda: signal.signal(signal.SIGINT, signal.SIG_DFL),
    )


def closed_pipe():
    """The writing end of a pipe without a reader."""
    reading, writing = os.pipe()
    os.close(reading)
    return os.fdopen(writing, "w")


WORDS = """
import sys
from profl_ray.cli import main
def run():
    for _ in range(3):
        print("words" * 5000)
        print("words", file=sys.stderr)
    sys.exit(7)
main._run = run
main.main()
"""


def test_words_for_a_closed_pipe_end_nothing_and_the_code_is_the_commands_own():
    process = start(code=WORDS, stdout=closed_pipe())
    _, err = process.communicate(timeout=20)
    assert (process.returncode, err) == (7, "words\n" * 3)
    process = start(code=WORDS, stderr=closed_pipe())
    out, _ = process.communicate(timeout=20)
    assert (process.returncode, len(out)) == (7, 3 * 25001)


@needs_full
def test_words_for_a_full_disk_end_nothing():
    with FULL.open("w") as full:
        process = start(code=WORDS, stdout=full, stderr=full)
        assert process.wait(timeout=20) == 7


def test_streams_that_are_closed_take_no_file_and_no_words():
    code = WORDS.replace("def run():", "def run():\n    assert open('/dev/null').fileno() > 2")
    process = subprocess.Popen(
        ["sh", "-c", '"$0" -c "$1" <&- >&- 2>&-', sys.executable, code],
        env=os.environ | {"PYTHONPATH": str(ROOT)},
    )
    assert process.wait(timeout=20) == 7


def test_words_that_the_encoding_lacks_are_escaped():
    process = start(code=WORDS.replace('"words" * 5000', r'"\u2603 \udc80"'), PYTHONIOENCODING="ascii")
    out, _ = process.communicate(timeout=20)
    assert (process.returncode, out) == (7, "\\u2603 \\udc80\n" * 3)


RESULT = """
from profl_ray.cli import main
from profl_ray.cli.words import deliver
main._run = lambda: deliver("{}")
main.main()
"""


@needs_full
def test_a_result_for_a_full_disk_is_an_error_in_one_line():
    with FULL.open("w") as full:
        process = start(code=RESULT, stdout=full)
        _, err = process.communicate(timeout=20)
    assert (process.returncode, err) == (
        1,
        "error: cannot write to standard output: No space left on device\n",
    )


def test_a_result_without_a_reader_is_none():
    process = start(code=RESULT, stdout=closed_pipe())
    _, err = process.communicate(timeout=20)
    assert (process.returncode, err) == (0, "")


def test_head_ends_a_look_without_a_word():
    process = start("--help", stdout=closed_pipe())
    _, err = process.communicate(timeout=20)
    assert (process.returncode, err) == (0, "")
