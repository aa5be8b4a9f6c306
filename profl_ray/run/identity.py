"""Where a run is kept, and under which names it is tracked."""

from dataclasses import dataclass, field
from pathlib import Path


@dataclass(frozen=True)
class RunIdentity:
    """Where a run is kept, and under which names it is tracked."""

    folder: Path
    name: str
    uri: str | None = None
    """MLflow tracking URI; None: not tracked."""
    experiment_id: str = ""
    """MLflow experiment of a store that was made ready beforehand; empty: the driver makes it ready."""
    parent_run_id: str | None = None
    run_id: str | None = None
    """MLflow run that was created beforehand."""
    params: dict[str, str] = field(default_factory=dict)
    """Parameters beside the configuration, such as what a sweep set."""
    tags: dict[str, str] = field(default_factory=dict)
    """Tags by which others find the run."""
    patience_seconds: float = 3.0
    """How long to wait for another process that is still running this run to end."""
    store_patience_seconds: float = 0.0
    """How long to wait for an MLflow that is away when the run begins, is resumed, or ends."""
