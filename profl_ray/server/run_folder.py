"""The folder of one run: `run.json`, `config.yaml`, `partition.json`, `records.jsonl`, `checkpoints/`."""

import json
import shutil
from pathlib import Path
from typing import Any

from profl_ray.config import ExperimentConfig
from profl_ray.config.load import from_yaml, to_yaml
from profl_ray.errors import UserError
from profl_ray.server.checkpoint import Snapshot, read_checkpoint, write_checkpoint
from profl_ray.server.record import RoundRecord

KEPT_CHECKPOINTS = 2


class RunFolder:
    """Reads and writes the files of one run."""

    def __init__(self, path: Path) -> None:
        self.path = path
        self.records_path = path / "records.jsonl"
        self.checkpoints_path = path / "checkpoints"

    def begin(self, config: ExperimentConfig, facts: dict[str, Any], split: dict[str, Any]) -> None:
        """Create the folder with the resolved configuration, the data split and the run's facts."""
        self.path.mkdir(parents=True, exist_ok=True)
        (self.path / "partition.json").write_text(json.dumps(split))
        (self.path / "config.yaml").write_text(to_yaml(config))
        (self.path / "run.json").write_text(json.dumps(facts))

    @property
    def exists(self) -> bool:
        """Whether a run was begun here."""
        return (self.path / "run.json").exists()

    def facts(self) -> dict[str, Any]:
        """Return what `begin` noted, such as the MLflow run."""
        return json.loads((self.path / "run.json").read_text())

    def config(self) -> ExperimentConfig:
        """Return the configuration that the run was begun with."""
        path = self.path / "config.yaml"
        if not path.exists():
            raise UserError(f"{self.path} is not the folder of a run: it has no config.yaml")
        return from_yaml(path.read_text(), source=str(path))

    def read_records(self) -> list[RoundRecord]:
        """Return the records as they stand, without a last line that is still being written."""
        if not self.records_path.exists():
            return []
        *lines, _ = self.records_path.read_text().split("\n")
        return [RoundRecord.from_json(json.loads(line)) for line in lines]

    def append(self, record: RoundRecord) -> None:
        """Append a round's record."""
        with self.records_path.open("a") as file:
            file.write(json.dumps(record.to_json()) + "\n")

    def save(self, rounds: int, snapshot: Snapshot) -> None:
        """Save the state after `rounds` rounds and prune old ones."""
        write_checkpoint(self.checkpoints_path / f"round-{rounds:06d}", snapshot)
        for old in self._checkpoints()[:-KEPT_CHECKPOINTS]:
            shutil.rmtree(old)

    def latest(self) -> tuple[Snapshot, list[RoundRecord]] | None:
        """Return the newest readable state and the records up to it; None if nothing was saved.

        Later records are removed from the file.
        Raises UserError if states were saved and none of them can be read.
        """
        error: UserError | None = None
        for path in reversed(self._checkpoints()):
            try:
                snapshot = read_checkpoint(path)
            except UserError as unreadable:
                error = error or unreadable
                continue
            return snapshot, self._records(int(path.name.removeprefix("round-")))
        if error is not None:
            raise error
        self._records(0)
        return None

    def _checkpoints(self) -> list[Path]:
        return sorted(self.checkpoints_path.glob("round-*"))

    def _records(self, rounds: int) -> list[RoundRecord]:
        """Return the first `rounds` records, and forget later ones: their rounds are played again."""
        lines = self.records_path.read_text().splitlines()[:rounds] if rounds else []
        aside = self.records_path.with_suffix(".aside")
        aside.write_text("".join(f"{line}\n" for line in lines))
        aside.replace(self.records_path)
        return [RoundRecord.from_json(json.loads(line)) for line in lines]
