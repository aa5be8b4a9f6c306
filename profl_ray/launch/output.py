"""A job's output as it comes, without what Ray says about the job; errors are always shown."""

import re
import sys

_RECORD = re.compile(r"\d{4}-\d\d-\d\d \d\d:\d\d:\d\d,\d{3}\t(?P<level>[A-Z]+) \S+ -- (?P<text>.*)")
_CHATTER = ("Running entrypoint for job ", "Tip:", "(raylet) Tip:")


class JobOutput:
    """Writes to standard output, line by line: pieces of an output end anywhere."""

    def __init__(self) -> None:
        self._begun = ""

    def write(self, text: str) -> None:
        """Take a piece of the output; a line that it leaves open waits for its end."""
        *lines, self._begun = (self._begun + text).split("\n")
        for line in lines:
            self._show(f"{line}\n")

    def end(self) -> None:
        """Show what was left open."""
        self._show(self._begun)
        self._begun = ""

    def _show(self, line: str) -> None:
        if line and not is_chatter(line):
            sys.stdout.write(line)
            sys.stdout.flush()


def is_chatter(line: str) -> bool:
    """Whether a line of a job's output is Ray's own, and nothing that anyone must know."""
    record = _RECORD.match(line)
    if record is None:
        return line.startswith(_CHATTER)
    is_ignore_file = "is now ignored by default when packaging" in record["text"]  # .git: just what we want
    return record["level"] in ("INFO", "SUCC", "DEBUG") or is_ignore_file
