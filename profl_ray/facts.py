"""What takes a second to find out about a network, kept on disk so that it is found out once."""

import json
from collections.abc import Callable
from hashlib import sha256
from pathlib import Path
from tempfile import NamedTemporaryFile
from typing import Any, TypeVar

import torch

from profl_ray.plugins import loaded_digest
from profl_ray.provenance import source_digest

T = TypeVar("T")


class KeptFacts:
    """Files `folder/DIGEST.json`; `folder` None: remembered by this object alone.

    Most facts are found by running a network on tensors without storage, for which PyTorch imports its
    compiler (1.5 s, 100 MiB). A process that finds them here, such as a sweep's trial, never does.
    """

    def __init__(self, folder: Path | None = None) -> None:
        self.folder = folder
        self.remembered: dict[str, Any] = {}
        """Answers by question."""

    def get(self, question: str, find_out: Callable[[], Any], read: Callable[[Any], T]) -> T:
        """Return the answer to `question`, which names everything that the answer depends on.

        find_out: returns the answer, ready for JSON; what it raises is not kept. read: makes of that what is
        returned; raises ValueError or TypeError for what is no answer, None above all.
        """
        if question in self.remembered:
            return read(self.remembered[question])
        path = self.folder / f"{_digest(question)}.json" if self.folder else None
        answer = _read(path) if path else None
        try:
            result = read(answer)
        except (ValueError, TypeError):
            answer = find_out()
            result = read(answer)
            if path:
                _write(path, answer)
        self.remembered[question] = answer
        return result


def _read(path: Path) -> Any:
    """Return what is kept; None if it is not there or cannot be read."""
    try:
        return json.loads(path.read_text())
    except (OSError, ValueError):
        return None


def _write(path: Path, answer: Any) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    # Written aside and renamed: other trials read the same folder at the same time.
    with NamedTemporaryFile("w", dir=path.parent, delete=False) as file:
        json.dump(answer, file)
    Path(file.name).replace(path)


def _digest(question: str) -> str:
    code = source_digest("models", "training", "memory", "strategies") + loaded_digest()
    return sha256("\n".join([torch.__version__, code, question]).encode()).hexdigest()[:32]
