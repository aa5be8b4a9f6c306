"""Needs are kept on disk by signature, so that trials of a sweep do not estimate the same step again."""

import json
from dataclasses import asdict
from hashlib import sha256
from pathlib import Path
from tempfile import NamedTemporaryFile

import torch

from profl_ray.memory.estimate import estimate_need
from profl_ray.memory.need import Need
from profl_ray.memory.trainable import Trainable
from profl_ray.provenance import source_digest


class NeedEstimator:
    """Estimates needs, each signature once; `folder` None keeps them in memory alone."""

    def __init__(self, folder: Path | None = None) -> None:
        self.folder = folder
        self.known: dict[str, Need] = {}

    def __call__(self, task: Trainable) -> Need:
        """Return the need of `task`."""
        key = _signature(task)
        if key not in self.known:
            self.known[key] = self._read(key) or self._estimate(key, task)
        return self.known[key]

    def _read(self, key: str) -> Need | None:
        if self.folder is None:
            return None
        try:
            return Need(**json.loads((self.folder / f"{key}.json").read_text()))
        except (OSError, ValueError, TypeError):
            return None  # Not there, not readable or not ours: estimated again and written anew.

    def _estimate(self, key: str, task: Trainable) -> Need:
        need = estimate_need(task)
        if self.folder is not None:
            self.folder.mkdir(parents=True, exist_ok=True)
            # Written aside and renamed: other trials read the same folder at the same time.
            with NamedTemporaryFile("w", dir=self.folder, delete=False) as file:
                json.dump(asdict(need), file)
            Path(file.name).replace(self.folder / f"{key}.json")
        return need


def _signature(task: Trainable) -> str:
    code = source_digest("models", "training", "memory", "strategies")
    text = "\n".join([torch.__version__, code, task.memory_key])
    return sha256(text.encode()).hexdigest()[:32]
