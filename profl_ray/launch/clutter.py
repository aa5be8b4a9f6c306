"""Hide what `ray job submit` says about itself; never an error, never the job's own words."""

import re

_RECORD = re.compile(
    r"\d{4}-\d\d-\d\d \d\d:\d\d:\d\d,\d{3}\t(?P<level>[A-Z]+) (?P<where>\S+) -- (?P<text>.*)"
)
_CHATTER = ("Running entrypoint for job ", "Tip:", "(raylet) Tip:")


class ClutterFilter:
    """Called with each line in turn; returns the line to show, or None."""

    def __init__(self) -> None:
        self._started = False
        self._repeating = False

    def __call__(self, line: str) -> str | None:
        """Return the line as it should be shown, or None to hide it."""
        if self._repeating:
            return None
        if line.startswith("Running entrypoint for job "):
            self._started = True
        if line.startswith(_CHATTER):
            return None
        record = _RECORD.match(line)
        if record is None:
            return line
        text = record["text"].strip()
        if text.startswith("Status message: "):
            # A failed job's message repeats its log to the end; shown already if the job ever started.
            self._repeating = self._started and "last available logs" in text
            return re.sub(r", last available logs.*", "", text.removeprefix("Status message: ")) + "\n"
        if "is now ignored by default when packaging" in text:  # .git: just what we want
            return None
        if record["level"] in ("INFO", "SUCC", "DEBUG") or not text.strip("-"):
            return None
        return f"{text}\n" if record["where"].startswith("cli.py:") else line
