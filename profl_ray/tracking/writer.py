"""Writes one run to MLflow: one call a round, and never in the way of the training."""

import json
import logging
import time
from collections.abc import Callable, Iterable, Mapping, Sequence
from functools import partial
from itertools import count
from typing import TYPE_CHECKING, Any, Literal, Self

from profl_ray.server.record import RoundRecord
from profl_ray.tracking.client import impatient, open_client, reason
from profl_ray.tracking.opening import (
    KIND_TAG,
    PAUSE_SECONDS,
    TRIES,
    open_run,
    retried,
)
from profl_ray.tracking.outbox import Outbox, Parcel
from profl_ray.tracking.params import MAX_TAG_LENGTH, cut, safe_key
from profl_ray.tracking.points import Totals, finite, round_points, step_tags
from profl_ray.tracking.records_file import RECORDS_PATH, RecordsFile
from profl_ray.tracking.tables import TABLE_TAG, listed_tables, table_json, table_tag
from profl_ray.tracking.undelivered import Undelivered

if TYPE_CHECKING:
    from matplotlib.figure import Figure

Status = Literal["FINISHED", "FAILED", "KILLED", "SCHEDULED"]
"""How a run is left, in MLflow's words; SCHEDULED: it waits, and is resumed later."""

_DESCRIPTION_TAG = "mlflow.note.content"
_log = logging.getLogger(__name__)


class RunWriter:
    """The writer of one MLflow run. After `start` no method raises because of the store."""

    def __init__(
        self,
        client: Any,
        run_id: str,
        tables: Iterable[str] = (),
        last_round: int = 0,
        is_new: bool = True,
        replaces: str = "",
    ) -> None:
        self.run_id = run_id
        self.is_new = is_new
        """Whether the run was created by this writer."""
        self.replaces = replaces
        """Why a new run takes the place of an earlier one; empty: there was none."""
        self._client = client
        self._points = Outbox()
        # Files wait in a queue of their own: an artifact store that refuses must not hold up the metrics.
        self._files = Outbox(max_parcels=200)
        self._tables: dict[str, None] = dict.fromkeys(tables)
        self._last_round = last_round
        self._records = RecordsFile()
        self._step: str | None = None
        """The step that the run was last said to be in."""

    @classmethod
    def start(
        cls,
        uri: str,
        experiment_id: str,
        name: str,
        params: Mapping[str, str],
        tags: Mapping[str, str],
        parent_run_id: str | None = None,
        run_id: str | None = None,
        patience_seconds: float = 0.0,
        known_run_ids: Sequence[str] = (),
        begun_ms: int | None = None,
        new_tags: Mapping[str, str] | None = None,
    ) -> Self:
        """Create a run, or resume `run_id`, and return its writer.

        Of several `known_run_ids` it resumes the first that is there; where none is (it was deleted, or
        the store is another one), a run is created in its place. `run_id` must be there. `begun_ms`:
        when a new run began, default now; `new_tags`: of a new run alone. The tag profl_ray.kind defaults to
        trial under a parent, else run.
        Parameters that a resumed run already has are left as they are. A store that is away is waited for so
        many seconds. Raises UserError if it is away for longer, or refuses.
        """
        opened = open_run(
            uri,
            experiment_id,
            name,
            params,
            tags,
            parent_run_id,
            run_id,
            known_run_ids,
            patience_seconds,
            begun_ms,
            new_tags or {},
        )
        run = opened.run
        return cls(
            opened.client,
            run.info.run_id,
            listed_tables(run.data.tags),
            opened.last_round,
            opened.is_new,
            opened.replaces,
        )

    @property
    def last_round(self) -> int:
        """The last round that the run has."""
        return self._last_round

    def log_round(self, record: RoundRecord, totals: Totals, timestamp_ms: int | None = None) -> None:
        """Log a round in one call, after what could not be sent earlier. `timestamp_ms`: default now.

        A round that the run already has is left as it is: a resumed run may play its last rounds again, and
        they give the same values. All rounds of a run are told here, from the first on, also those that it
        has: their records are written as one file.
        """
        self._records.add(record)
        if record.round <= self._last_round:
            return
        self._last_round = record.round
        tags, self._step = step_tags(record, self._step), record.step
        self._add_points(round_points(record, totals), tags, record.round, timestamp_ms)
        if self._records.due:
            self._send_records()

    def forget(self, rounds: int) -> None:
        """Log later rounds although the run has them: they are others, and MLflow shows the newest values."""
        self._last_round = min(self._last_round, rounds)

    def log_summary(self, metrics: Mapping[str, float | None], tags: Mapping[str, str] | None = None) -> None:
        """Log final values; those that are None or not finite are left out."""
        # At the last round: MLflow shows the value of the largest step, and some names are a round's too.
        self._add_points(finite(metrics), dict(tags or {}), self._last_round, timestamp_ms=None)

    def log_table(self, name: str, columns: Mapping[str, Sequence[Any]]) -> None:
        """Log columns of equal length as the table `tables/NAME.json`, in place of an older one."""
        path, text = f"tables/{name}.json", table_json(columns)
        self._tables |= {path: None}
        tag = table_tag(self._tables)

        def send() -> None:
            self._client.log_text(self.run_id, text, path)
            self._client.set_tag(self.run_id, TABLE_TAG, tag)

        self._add_file(send, path)

    def log_text(self, text: str, path: str) -> None:
        """Log `text` as the artifact `path`."""
        self._add_file(lambda: self._client.log_text(self.run_id, text, path), path)

    def log_json(self, obj: Any, path: str) -> None:
        """Log a JSON-ready object as the artifact `path`."""
        # Written out at once: the caller may change the object before it can be sent.
        self.log_text(json.dumps(obj, indent=2), path)

    def log_figure(self, figure: "Figure", path: str) -> None:
        """Log a figure as the artifact `path`, which ends with .png or .svg."""
        self._add_file(lambda: self._client.log_figure(self.run_id, figure, path), path)

    def finish(self, status: Status = "FINISHED", patience_seconds: float = 0.0) -> Undelivered:
        """Try to send all that waits, end the run and return what could not be delivered.

        Tries a few times, and for so many seconds while points wait; files are not waited for, since an
        artifact store may refuse them for ever.
        """
        if self._records.changed:
            self._send_records()
        deadline = time.monotonic() + patience_seconds
        for attempt in count():
            points_sent = self._points.flush(force=True)
            if self._files.flush(force=True) and points_sent:
                break
            if attempt >= TRIES - 1 and (points_sent or time.monotonic() >= deadline):
                break
            time.sleep(min(PAUSE_SECONDS, 0.25 * 2**attempt))
        error = self._points.last_error or self._files.last_error
        result = Undelivered(self._points.give_up(), self._files.give_up(), error)
        try:
            retried(lambda: self._client.set_terminated(self.run_id, status))
        except Exception as problem:
            # A run that still reads RUNNING is a blemish; a result that is thrown away is a loss.
            _log.warning("run %s could not be marked %s (%s)", self.run_id, status, reason(problem))
        if result:
            _log.warning("run %s: %s", self.run_id, result)
        return result

    def _add_points(
        self, metrics: Mapping[str, float], tags: Mapping[str, str], step: int, timestamp_ms: int | None
    ) -> None:
        from mlflow.entities import Metric, RunTag

        now = int(time.time() * 1000) if timestamp_ms is None else timestamp_ms
        points = [Metric(safe_key(name), value, now, step) for name, value in metrics.items()]
        notes = [RunTag(safe_key(key), cut(value, MAX_TAG_LENGTH)) for key, value in tags.items()]
        if points or notes:
            send = partial(self._client.log_batch, self.run_id, metrics=points, tags=notes)
            self._points.add(Parcel(send, len(points)))
        self._points.flush()

    def _send_records(self) -> None:
        self.log_text(self._records.take(), RECORDS_PATH)

    def _add_file(self, send: Callable[[], object], path: str) -> None:
        self._files.add(Parcel(send, 1, path))
        self._files.flush()


def start_parent(
    uri: str,
    experiment_id: str,
    name: str,
    params: Mapping[str, str],
    tags: Mapping[str, str] | None = None,
    description: str = "",
) -> str:
    """Create the run of a sweep, under which its trials are kept, and return its id.

    `RunWriter.start(..., run_id=that id)` gives a writer for the sweep's own summary and its end.
    """
    own = parent_tags(description) | dict(tags or {})
    return RunWriter.start(uri, experiment_id, name, params, own).run_id


def parent_tags(description: str) -> dict[str, str]:
    """Return the tags of a sweep's own run."""
    return {KIND_TAG: "sweep"} | ({_DESCRIPTION_TAG: description} if description else {})


def end_waiting(uri: str, run_id: str, also_running: bool = False) -> bool:
    """Mark a run that waits as stopped, and leave any other as it is; return False if the store failed.

    `also_running`: one that seems to run, too; its process ends without a chance to say so.
    """
    open_states = ("SCHEDULED", "RUNNING") if also_running else ("SCHEDULED",)
    try:
        with impatient():  # A sweep's control waits for it.
            client = open_client(uri)
            if retried(lambda: client.get_run(run_id)).info.status in open_states:
                retried(lambda: client.set_terminated(run_id, "KILLED"))
    except Exception as problem:
        _log.warning("run %s could not be marked as stopped (%s)", run_id, reason(problem))
        return False
    return True
