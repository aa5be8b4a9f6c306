"""The writer for tracking.enabled=false, and what any writer can do."""

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any, Protocol

from profl_ray.server.record import RoundRecord
from profl_ray.tracking.points import Totals
from profl_ray.tracking.undelivered import Undelivered
from profl_ray.tracking.writer import Status

if TYPE_CHECKING:
    from matplotlib.figure import Figure


class Writer(Protocol):
    """Where a run's results go."""

    run_id: str

    @property
    def last_round(self) -> int:
        """The last round that is there."""
        ...

    def log_round(self, record: RoundRecord, totals: Totals, timestamp_ms: int | None = None) -> None:
        """Log a round."""

    def forget(self, rounds: int) -> None:
        """Take all rounds after `rounds` for not logged: others are played in their place."""

    def log_summary(self, metrics: Mapping[str, float | None], tags: Mapping[str, str] | None = None) -> None:
        """Log final values."""

    def log_table(self, name: str, columns: Mapping[str, Sequence[Any]]) -> None:
        """Log columns as a table."""

    def log_text(self, text: str, path: str) -> None:
        """Log text as an artifact."""

    def log_json(self, obj: Any, path: str) -> None:
        """Log an object as an artifact."""

    def log_figure(self, figure: "Figure", path: str) -> None:
        """Log a figure as an artifact."""

    def finish(self, status: Status = "FINISHED", patience_seconds: float = 0.0) -> Undelivered:
        """End the run; wait so long for what cannot be sent at once."""
        ...


class NullWriter:
    """Takes everything and writes nothing."""

    run_id = ""
    last_round = 0

    def log_round(self, record: RoundRecord, totals: Totals, timestamp_ms: int | None = None) -> None:
        """Do nothing."""

    def forget(self, rounds: int) -> None:
        """Do nothing."""

    def log_summary(self, metrics: Mapping[str, float | None], tags: Mapping[str, str] | None = None) -> None:
        """Do nothing."""

    def log_table(self, name: str, columns: Mapping[str, Sequence[Any]]) -> None:
        """Do nothing."""

    def log_text(self, text: str, path: str) -> None:
        """Do nothing."""

    def log_json(self, obj: Any, path: str) -> None:
        """Do nothing."""

    def log_figure(self, figure: "Figure", path: str) -> None:
        """Do nothing."""

    def finish(self, status: Status = "FINISHED", patience_seconds: float = 0.0) -> Undelivered:
        """Do nothing; nothing is lost."""
        return Undelivered()
