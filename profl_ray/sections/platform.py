"""Where it runs: client actors, evaluation, tracking and storage."""

from pathlib import Path
from typing import Literal, Self

from pydantic import Field, NonNegativeFloat, model_validator

from profl_ray.sections.base import Count, Seconds, Section


class FleetConfig(Section):
    """The client actors of one trial. Nothing here changes the trained weights but `cohort_groups`."""

    backend: Literal["in_process", "ray"] = "in_process"
    """in_process: everything in one process; ray: client actors."""
    num_actors: Count = 1
    """Client actors; each acts as many devices, one after another."""
    actor_per_device: bool = False
    """One client actor per device instead of `num_actors` (small federations: about 0.5 GB an actor)."""
    cpus_per_actor: NonNegativeFloat = 1.0
    """CPUs that a client actor reserves; it computes with one thread."""
    gpus_per_actor: NonNegativeFloat = 0.0
    """GPUs that a client actor reserves."""
    driver_cpus: NonNegativeFloat = 0.0
    """CPUs that the driver actor reserves; it mostly waits for its clients."""
    accelerator: Literal["cpu", "cuda"] = "cpu"
    """Where devices train."""
    cohort_groups: Count = 8
    """Pieces in which a cohort is summed. Fixed, so that the sum does not depend on the number of actors; no
    more actors than that have something to train in a round (docs/results/scale.md)."""
    enforce_quotas: bool = True
    """Refuse, measure and cap: see docs/memory.md."""
    features_mib: float = Field(2048.0, ge=0, le=1e9)
    """Most that a machine keeps of the outputs of frozen blocks (policy `eval`, no augmentation), in
    `storage.root`/cache/features; 0: they are computed anew, to the same results. See docs/features.md."""
    overhead_mib: float = Field(64.0, ge=16, le=1e9)
    """What a process may grow beyond a device's quota for everything that is not a tensor; with less than
    16 MiB the libraries under PyTorch crash instead of saying so."""
    start_timeout_seconds: Seconds = 120.0
    """How long client actors may take to start."""
    deadline_seconds: Seconds = 900.0
    """How long a client actor may work at one group of devices before it is taken for frozen and replaced."""

    @model_validator(mode="after")
    def _consistent(self) -> Self:
        if self.gpus_per_actor > 1 and self.gpus_per_actor % 1:
            raise ValueError(f"gpus_per_actor={self.gpus_per_actor:g}: a part of one GPU or whole ones")
        if self.backend == "ray" and self.accelerator == "cuda" and not self.gpus_per_actor:
            raise ValueError("accelerator=cuda needs gpus_per_actor above 0: an actor sees what it asks for")
        return self


class EvaluationConfig(Section):
    """Evaluation on the test examples."""

    every_rounds: Count = 1
    """Evaluate after every so many rounds of a step, and at its end."""
    batch_size: Count = 250
    """Examples per forward pass."""
    ranked_by: str = Field("final_accuracy", pattern=r"^-?[A-Za-z][A-Za-z0-9_./-]*$")
    """What a sweep ranks its trials by, the highest first: a metric or figure of a run's last round, or of
    its summary; with - in front (`-test_loss`) the lowest first."""


class TrackingConfig(Section):
    """MLflow."""

    enabled: bool = True
    """Write to MLflow."""
    uri: str | None = None
    """MLflow tracking URI; default: MLFLOW_TRACKING_URI, else a SQLite file in `storage.root`."""
    experiment: str = "profl-ray"
    """MLflow experiment."""


class StorageConfig(Section):
    """Where runs, sweeps and caches are kept."""

    root: Path = Path("runs")
    """Folder of everything that is written."""
    checkpoint_every_rounds: Count = 1
    """Save the run's state after every so many rounds."""
    share_rounds: bool | None = None
    """Train rounds that several runs have in common once (ProFL, SmartFreeze, on CPUs); default: in sweeps
    and comparisons, not in single runs. Results are the same, bit for bit: docs/sharing.md."""
    shared_rounds_mib: float = Field(4096.0, gt=0, le=1e9)
    """Size limit of the states kept for that, in `root`/cache/rounds; the longest unused go first."""
