"""The records of a run's rounds as one artifact, which reports read."""

import json
import time
from collections.abc import Callable, Iterator

from profl_ray.errors import UserError
from profl_ray.server.record import RoundRecord

RECORDS_PATH = "records.jsonl"
"""A line a round, as in the run's own folder."""
INTERVAL_SECONDS = 60.0
"""The artifact is written anew at the end of a step, and else so seldom."""


class RecordsFile:
    """Holds the lines of all rounds so far, and knows when they are to be written again."""

    def __init__(self, clock: Callable[[], float] = time.monotonic) -> None:
        self.changed = False
        """Whether there are rounds that `take` has not given yet."""
        self._clock = clock
        self._lines: dict[int, str] = {}
        self._taken_at = float("-inf")
        self._step_ended = False

    def add(self, record: RoundRecord) -> None:
        """Add the next round; one that is there already is played anew, and all after it are forgotten."""
        while self._lines and next(reversed(self._lines)) >= record.round:
            self._lines.popitem()
        self._lines[record.round] = f"{json.dumps(record.to_json())}\n"
        self.changed, self._step_ended = True, record.step_ended

    @property
    def due(self) -> bool:
        """Whether the rounds are to be written now."""
        return self.changed and (self._step_ended or self._clock() - self._taken_at >= INTERVAL_SECONDS)

    def take(self) -> str:
        """Return the text of all rounds."""
        self.changed, self._taken_at = False, self._clock()
        return "".join(self._lines.values())


def read_records(text: str) -> list[RoundRecord]:
    """Return the rounds of an artifact; UserError if it is torn or of another version."""
    return list(_records(text))


def _records(text: str) -> Iterator[RoundRecord]:
    for number, line in enumerate(text.splitlines(), start=1):
        try:
            yield RoundRecord.from_json(json.loads(line))
        except ValueError as error:
            raise UserError(f"{RECORDS_PATH}, line {number}: {error}") from error
