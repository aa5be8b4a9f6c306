"""Signals in this process: who hears which, and when."""

import os
import signal
import subprocess
import sys
import time
from contextlib import suppress
from pathlib import Path

import pytest

from profl_ray import signals
from profl_ray.signals import ENDING, Interrupted, held, interruptible, on_signal, uninterrupted

BOTH = [signal.SIGINT, signal.SIGTERM]


@pytest.fixture(autouse=True)
def no_repeats(monkeypatch):
    """Signals follow each other faster here than people send them."""
    monkeypatch.setattr(signals, "REPEAT_SECONDS", 0.0)


@pytest.fixture(autouse=True)
def handlers_stay():
    before = [signal.getsignal(number) for number in ENDING]
    yield
    assert [signal.getsignal(number) for number in ENDING] == before


@pytest.mark.parametrize("number", ENDING)
def test_the_first_is_heard_and_a_second_interrupts(number):
    asked = []
    with pytest.raises(Interrupted), on_signal(lambda: asked.append(1)):
        signal.raise_signal(number)
        assert asked == [1]
        signal.raise_signal(signal.SIGTERM)


def test_one_wish_may_come_as_several_signals(monkeypatch):
    monkeypatch.setattr(signals, "REPEAT_SECONDS", 60.0)
    monkeypatch.setattr(signals._heard, "at", time.monotonic() - 100)
    asked = []
    with on_signal(lambda: asked.append(1)):
        signal.raise_signal(signal.SIGTERM)
        signal.raise_signal(signal.SIGTERM)
    assert asked == [1]


def test_a_closing_terminal_is_no_second_wish():
    with on_signal(lambda: None):
        signal.raise_signal(signal.SIGHUP)
        signal.raise_signal(signal.SIGHUP)


def test_an_interruption_that_is_swallowed_or_changed_comes_all_the_same():
    # Dropped, as where an object is removed.
    with pytest.raises(Interrupted), interruptible(), suppress(KeyboardInterrupt):
        signal.raise_signal(signal.SIGTERM)
    with pytest.raises(Interrupted), interruptible():
        try:
            signal.raise_signal(signal.SIGTERM)
        except KeyboardInterrupt:
            raise ImportError("multiarray") from None


def test_what_is_held_back_comes_at_the_end_and_a_second_at_once():
    done = []
    with pytest.raises(Interrupted), interruptible():
        with held():
            signal.raise_signal(signal.SIGTERM)
            done.append("the block")
        done.append("not this")
    assert done == ["the block"]
    with pytest.raises(Interrupted), held():
        signal.raise_signal(signal.SIGINT)
        time.sleep(0.001)
        signal.raise_signal(signal.SIGINT)


def test_nothing_interrupts_a_clean_up():
    with interruptible(), uninterrupted():
        for number in ENDING:
            signal.raise_signal(number)


def test_a_library_that_starts_sets_no_handlers():
    before = signal.getsignal(signal.SIGTERM), signal.getsignal(signal.SIGUSR1)
    with signals.handlers_kept():
        signal.signal(signal.SIGTERM, lambda *_: sys.exit(15))
        signal.signal(signal.SIGUSR1, before[1])
        assert (signal.getsignal(signal.SIGTERM), signal.getsignal(signal.SIGUSR1)) == before


def test_what_is_ignored_stays_ignored():
    before = signal.signal(signal.SIGHUP, signal.SIG_IGN)
    try:
        with interruptible(), held(), on_signal(lambda: None):
            assert signal.getsignal(signal.SIGHUP) == signal.SIG_IGN
            signal.raise_signal(signal.SIGHUP)
    finally:
        signal.signal(signal.SIGHUP, before)


def test_children_apart_have_groups_of_their_own():
    def group_of_child(**options):
        code = "import os; print(os.getpgrp() == os.getpid())"
        return subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, **options).stdout

    assert group_of_child(preexec_fn=os.getpid) == "False\n"
    with signals.children_apart():
        assert group_of_child(preexec_fn=os.getpid) == "True\n"
    assert group_of_child(preexec_fn=os.getpid) == "False\n"


START = """
import os, signal, sys, time
from profl_ray.cli import main
main._run = lambda: (print("up", flush=True), time.sleep(60))
main.main()
"""


@pytest.mark.parametrize("ignored", [None, signal.SIGHUP, signal.SIGINT])
def test_a_command_hears_from_its_first_line_on_what_its_starter_does_not_ignore(ignored):
    def ignore():
        for number in ENDING:
            signal.signal(number, signal.SIG_IGN if number == ignored else signal.SIG_DFL)

    process = subprocess.Popen(
        [sys.executable, "-c", START], stdout=-1, stderr=-1, text=True, preexec_fn=ignore
    )
    assert process.stdout.readline() == "up\n"
    if ignored is not None:
        process.send_signal(ignored)
        time.sleep(0.2)
        assert process.poll() is None
    process.send_signal(signal.SIGTERM if ignored else signal.SIGHUP)
    out, err = process.communicate(timeout=20)
    assert (process.returncode, out, err) == (130, "", "interrupted\n")


def test_the_first_process_of_a_container_hears_too():
    command = ["unshare", "--fork", "--pid", "--kill-child", sys.executable, "-c", START]
    try:
        process = subprocess.Popen(command, stdout=-1, stderr=-1, text=True)
    except FileNotFoundError:
        pytest.skip("no unshare")
    if process.stdout.readline() != "up\n":
        pytest.skip(f"no namespaces here: {process.communicate()[1]}")
    (child,) = Path(f"/proc/{process.pid}/task/{process.pid}/children").read_text().split()
    os.kill(int(child), signal.SIGTERM)
    _, err = process.communicate(timeout=20)
    assert (process.returncode, err) == (130, "interrupted\n")
