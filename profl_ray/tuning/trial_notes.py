"""What is noted of a sweep's trials beside their run folders: `trials.jsonl`, a line an event.

With it, and with what `sweep.json` plans, a sweep can be resumed whatever became of Tune's own state.
"""

import json
from collections.abc import Mapping
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any, Literal

from profl_ray.server.durable import append_durably, write_durably

UNRANKED = -1e30
"""The score of a trial that has none."""
Outcome = Literal["finished", "stopped", "failed", "n/a"]


@dataclass(frozen=True, kw_only=True)
class TrialEnd:
    """How a trial ended."""

    outcome: Outcome
    """stopped: by the scheduler; n/a: its setting cannot be trained."""
    reason: str = ""
    """Why it failed or is n/a, in one line."""
    final: bool = True
    """False: a resumed sweep tries it again."""
    accuracy: float | None = None
    """At the end of the last step that compares."""
    score: float | None = None
    """What it is ranked by, there; None: it has no such value."""
    units_grown: int = 0
    rounds: int = 0
    rounds_trained: int = 0
    """Fewer than `rounds` where it shared some."""

    @property
    def ranked(self) -> float:
        """The score; the lowest there is if it has none."""
        return UNRANKED if self.score is None else self.score


@dataclass
class Noted:
    """What `trials.jsonl` holds, by trial id."""

    settings: dict[str, dict[str, Any]] = field(default_factory=dict)
    """Of trials that a search named one after another, in order."""
    ends: dict[str, TrialEnd] = field(default_factory=dict)
    """The last end of each trial; one that is not final may have begun anew since."""


class TrialNotes:
    """Appends to and reads a sweep's `trials.jsonl`; only the sweep's own process writes it."""

    def __init__(self, folder: Path) -> None:
        self.path = folder / "trials.jsonl"

    def note_begin(self, trial_id: str, settings: Mapping[str, Any]) -> None:
        """Note what a trial is about to be begun with."""
        self._append({"trial": trial_id, "settings": dict(settings)})

    def note_end(self, trial_id: str, end: TrialEnd) -> None:
        """Note how a trial ended."""
        self._append({"trial": trial_id, "end": asdict(end)})

    def read(self) -> Noted:
        """Return what is noted. A line that was torn counts as not written: its trial is looked at again."""
        noted = Noted()
        for line in self._lines():
            try:
                entry = json.loads(line)
                if "settings" in entry:
                    noted.settings[str(entry["trial"])] = dict(entry["settings"])
                else:
                    noted.ends[str(entry["trial"])] = TrialEnd(**entry["end"])
            except (ValueError, TypeError, KeyError):
                continue
        return noted

    def repair(self) -> None:
        """End a last line that was torn, so that the next one does not become part of it."""
        lines = self._lines()
        if lines and lines[-1]:
            write_durably(self.path, "\n".join([*lines, ""]).encode())

    def _lines(self) -> list[str]:
        return self.path.read_text(errors="replace").split("\n") if self.path.exists() else []

    def _append(self, entry: Mapping[str, Any]) -> None:
        append_durably(self.path, f"{json.dumps(entry)}\n".encode())
