"""A terminal with a shell in it: commands go in as a person types them, Ctrl-C too; what it shows is kept."""

import fcntl
import os
import pty
import re
import signal
import struct
import subprocess
import termios
import threading
import time
from contextlib import suppress

from .machine import HOME, SHELL_MARK, Machine

# The shell reads whole commands from one pipe and tells their exit codes in another, so that its terminal is
# all the commands' own. It survives Ctrl-C, as an interactive shell does; what it starts gets it as ever.
_SHELL = """
trap : INT
while IFS= read -r -d '' -u 3 words; do
  eval "$words" 3<&- 4>&-
  echo $? >&4
done
"""
_PATH = "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin"
_CONTROL = re.compile(r"\x1b\[[0-9;?]*[A-Za-z]|\x1b\][^\x07]*\x07")


def _as_in_a_window() -> None:
    """A background job of a shell ignores these, and what it starts would, too: Ctrl-C would do nothing."""
    for number in (signal.SIGINT, signal.SIGQUIT, signal.SIGHUP):
        signal.signal(number, signal.SIG_DFL)


class Terminal:
    """One shell on a machine, in the project's folder; its environment is PATH and HOME."""

    def __init__(self, machine: Machine) -> None:
        self._near, far = pty.openpty()
        fcntl.ioctl(far, termios.TIOCSWINSZ, struct.pack("HHHH", 40, 132, 0, 0))
        words, self._words = os.pipe()
        self._codes, codes = os.pipe()
        script = f"cd '{machine.place}'; exec 3<&{words} 4>&{codes} {words}<&- {codes}>&-\n{_SHELL}"
        # The session begins inside: Ctrl-C shall not reach `nsenter`.
        shell = ["setsid", "--ctty", "bash", "--noprofile", SHELL_MARK, "-c", script]
        self._shell = subprocess.Popen(
            machine.inside(shell),
            env={"PATH": _PATH, "HOME": HOME},
            stdin=far,
            stdout=far,
            stderr=far,
            pass_fds=(words, codes),
            start_new_session=True,
            preexec_fn=_as_in_a_window,
        )
        for end in (far, words, codes):
            os.close(end)
        self._shown = bytearray()
        self._reader = threading.Thread(target=self._read, daemon=True)
        self._reader.start()

    @property
    def text(self) -> str:
        """Everything shown so far, without colours and cursor movements."""
        return (
            _CONTROL.sub("", self._shown.decode(errors="replace")).replace("\r\n", "\n").replace("\r", "\n")
        )

    def type(self, command: str) -> None:
        """Start a command."""
        os.write(self._words, command.encode() + b"\0")

    def code(self, seconds: float) -> int | None:
        """Wait for the command to end and return its exit code; None if it goes on after `seconds`."""
        os.set_blocking(self._codes, False)
        deadline = time.monotonic() + seconds
        while time.monotonic() < deadline:
            with suppress(BlockingIOError):
                said = os.read(self._codes, 16)
                return int(said) if said else self._shell.wait()  # it said `exit`
            time.sleep(0.05)
        return None

    def interrupt(self) -> None:
        """Press Ctrl-C."""
        os.write(self._near, b"\x03")

    def close(self) -> None:
        """Close the window: the shell reads the end of its commands and goes."""
        os.close(self._words)
        try:
            self._shell.wait(timeout=5)
        except subprocess.TimeoutExpired:
            self._shell.kill()
            self._shell.wait()
        os.close(self._codes)
        os.close(self._near)  # what still belongs to this terminal gets SIGHUP

    def _read(self) -> None:
        with suppress(OSError):
            while more := os.read(self._near, 65536):
                self._shown += more
