"""The folder of one run: `run.json`, `config.yaml`, `partition.json`, `records.jsonl`, `checkpoints/`."""

import json
import shutil
from contextlib import suppress
from dataclasses import dataclass
from hashlib import sha256
from pathlib import Path
from typing import Any, NamedTuple
from uuid import uuid4

from filelock import FileLock, Timeout

from profl_ray.config import ExperimentConfig
from profl_ray.config.load import from_yaml, names_from_outside, to_yaml
from profl_ray.errors import UserError
from profl_ray.plugins import copies_of
from profl_ray.server.checkpoint import Snapshot, read_checkpoint, write_checkpoint
from profl_ray.server.durable import append_durably, write_durably
from profl_ray.server.formats import check_format, stamp
from profl_ray.server.record import RoundRecord

KEPT_CHECKPOINTS = 2
PLUGINS = "plugins"
"""In a run's or a sweep's folder: copies of the files from outside that it was begun with."""
_FACTS = {"id", "mlflow_run_id", "config_sha256"}
"""What `run.json` holds at least."""


class Relogging(NamedTuple):
    """Rounds that a run plays otherwise than MLflow may have them."""

    after: int
    up_to: int


@dataclass(frozen=True)
class Recovered:
    """What a run is resumed from."""

    snapshot: Snapshot
    records: list[RoundRecord]
    """Of the rounds up to the snapshot."""
    skipped: tuple[str, ...]
    """Why newer checkpoints could not be used; their rounds are played again."""


def keep_plugins(config: ExperimentConfig, folder: Path) -> None:
    """Keep copies of the files from outside that an experiment names."""
    for name, text in copies_of(names_from_outside(config).values()).items():
        (folder / PLUGINS).mkdir(parents=True, exist_ok=True)
        write_durably(folder / PLUGINS / name, text.encode())


class RunFolder:
    """Reads and writes the files of one run."""

    def __init__(self, path: Path) -> None:
        self.path = path
        self.records_path = path / "records.jsonl"
        self.checkpoints_path = path / "checkpoints"
        self._lock = FileLock(path / "run.lock", thread_local=False)

    def begin(self, config: ExperimentConfig, facts: dict[str, Any], split: dict[str, Any]) -> None:
        """Write the resolved configuration, the data split and the run's facts."""
        self.path.mkdir(parents=True, exist_ok=True)
        write_durably(self.path / "partition.json", json.dumps(split).encode())
        text = to_yaml(config).encode()
        keep_plugins(config, self.path)
        write_durably(self.path / "config.yaml", text)
        own = {"id": uuid4().hex, "config_sha256": sha256(text).hexdigest()}
        # Last: with it the run is begun.
        write_durably(self.path / "run.json", json.dumps(facts | own | stamp()).encode())

    def acquire(self, patience_seconds: float = 0.0) -> None:
        """Keep other processes from running this run; UserError if one still does after a while."""
        self.path.mkdir(parents=True, exist_ok=True)
        try:
            self._lock.acquire(timeout=patience_seconds)
        except Timeout:
            raise UserError(f"{self.path} is being run by another process: wait for it, or end it") from None

    def release(self) -> None:
        """Let others play this run; of a run that was not begun, nothing stays."""
        begun = self.exists
        self._lock.release()
        if not begun:
            Path(self._lock.lock_file).unlink(missing_ok=True)
            with suppress(OSError):  # Others' files are in it.
                self.path.rmdir()

    @property
    def exists(self) -> bool:
        """Whether a run was begun here."""
        return (self.path / "run.json").exists()

    def facts(self) -> dict[str, Any]:
        """Return what `begin` noted, such as the MLflow run, and the run's own `id`.

        Raises UserError if it cannot be read, or was written in another format.
        """
        path = self.path / "run.json"
        try:
            facts = json.loads(path.read_text())
        except (OSError, ValueError) as error:
            raise UserError(f"{path} cannot be read: {error}") from error
        if isinstance(facts, dict) and facts.keys() & _FACTS:
            check_format(str(path), facts)
        if not isinstance(facts, dict) or not facts.keys() >= _FACTS:
            raise UserError(
                f"{path} was not written by this program: it must hold {', '.join(sorted(_FACTS))}"
            )
        return facts

    def note(self, **facts: Any) -> None:
        """Note further facts, or newer ones, in `run.json`."""
        write_durably(self.path / "run.json", json.dumps(self.facts() | facts).encode())

    def mlflow_run_ids(self) -> list[str]:
        """Return the run's ids in MLflow, the newest first: it has one in each store it was tracked in."""
        facts = self.facts()
        known = (facts["mlflow_run_id"], *facts.get("earlier_mlflow_run_ids", ()))
        return [run_id for run_id in known if run_id]

    def note_mlflow_run(self, run_id: str) -> None:
        """Note the run in MLflow where the run is tracked from now on."""
        earlier = [known for known in self.mlflow_run_ids() if known != run_id]
        self.note(mlflow_run_id=run_id, earlier_mlflow_run_ids=earlier)

    @property
    def begun_ms(self) -> int:
        """When the run was begun, in ms since 1970: its configuration is written once."""
        return int((self.path / "config.yaml").stat().st_mtime * 1000)

    def config(self) -> ExperimentConfig:
        """Return the configuration that the run was begun with; UserError if it was changed since."""
        path = self.path / "config.yaml"
        try:
            text = path.read_bytes()
        except OSError as error:
            raise UserError(
                f"{self.path} is not the folder of a run: config.yaml: {error.strerror}"
            ) from error
        if sha256(text).hexdigest() != self.facts()["config_sha256"]:
            raise UserError(
                f"{path} was changed since the run was begun: put it back, or begin a new run "
                f"(profl-ray run {path} storage.root=...)"
            )
        return from_yaml(text.decode(), source=str(path), copies=self.path / PLUGINS)

    def read_records(self) -> list[RoundRecord]:
        """Return the records, without a last line that is still being written."""
        if not self.records_path.exists():
            return []
        *lines, _ = self.records_path.read_text().split("\n")
        return [RoundRecord.from_json(json.loads(line)) for line in lines]

    def append(self, record: RoundRecord) -> None:
        """Append a round's record."""
        append_durably(self.records_path, f"{json.dumps(record.to_json())}\n".encode())

    def save(self, rounds: int, snapshot: Snapshot) -> None:
        """Save the state after `rounds` rounds and prune old ones."""
        write_checkpoint(self._checkpoint(rounds), snapshot, self.facts()["id"])
        for old in self._checkpoints()[:-KEPT_CHECKPOINTS]:
            shutil.rmtree(old)

    def note_relogging(self, after: int, up_to: int) -> None:
        """Note that rounds `after` + 1 to `up_to`, which MLflow may have, are being played otherwise."""
        before = self.relogging()
        if before.up_to > after:  # They had not all been played yet.
            after, up_to = min(after, before.after), max(up_to, before.up_to)
        self.note(relogging=Relogging(after, up_to))

    def relogging(self) -> Relogging:
        """Return what was noted last."""
        return Relogging(*self.facts().get("relogging", (0, 0)))

    def rewind(self, records: list[RoundRecord], snapshot: Snapshot) -> None:
        """Stand after `records`, with this state; later rounds are forgotten, others take their place."""
        write_checkpoint(self._checkpoint(len(records)), snapshot, self.facts()["id"])
        for later in self._checkpoints():
            if later > self._checkpoint(len(records)):
                shutil.rmtree(later)
        self._keep(records)

    def latest(self) -> Recovered | None:
        """Return the newest state that can be used and the records up to it; None if nothing was saved.

        Later records are removed from the file, and what a kill left behind while a state was saved.
        Raises UserError if states were saved and none of them can be used.
        """
        for torn in self.checkpoints_path.glob(".round-*"):
            shutil.rmtree(torn, ignore_errors=True)
        skipped: list[str] = []
        newer: list[Path] = []
        for path in reversed(self._checkpoints()):
            try:
                snapshot = read_checkpoint(path, self.facts()["id"])
                records = self._records(int(path.name.removeprefix("round-")))
            except UserError as error:
                skipped.append(str(error))
                newer.append(path)
                continue
            self._keep(records)
            for unusable in newer:  # Or they would count among those that are kept.
                shutil.rmtree(unusable, ignore_errors=True)
            return Recovered(snapshot, records, tuple(skipped))
        if skipped:
            raise UserError(skipped[0])
        self._keep([])
        return None

    def _checkpoint(self, rounds: int) -> Path:
        return self.checkpoints_path / f"round-{rounds:06d}"

    def _checkpoints(self) -> list[Path]:
        return sorted(path for path in self.checkpoints_path.glob("round-*") if path.name[6:].isdigit())

    def _keep(self, records: list[RoundRecord]) -> None:
        """Forget all later records: their rounds are played again."""
        lines = "".join(f"{json.dumps(record.to_json())}\n" for record in records)
        write_durably(self.records_path, lines.encode())

    def _records(self, rounds: int) -> list[RoundRecord]:
        """Return the first `rounds` records; UserError if they are not all there."""
        try:
            lines = self.records_path.read_bytes().splitlines()[:rounds]
            records = [RoundRecord.from_json(json.loads(line)) for line in lines]
        except (OSError, ValueError, KeyError, TypeError, AttributeError) as error:
            raise UserError(f"{self.records_path} cannot be read: {error}") from error
        if [record.round for record in records] != list(range(1, rounds + 1)):
            raise UserError(f"{self.records_path} does not hold the records of rounds 1 to {rounds}")
        return records
