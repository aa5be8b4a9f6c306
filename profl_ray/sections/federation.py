"""Who learns: the devices and their memory quotas."""

from pathlib import Path
from typing import Literal, Self

from pydantic import Field, PositiveFloat, model_validator

from profl_ray.sections.base import Count, Section


class QuotaConfig(Section):
    """How much memory each device has for training."""

    name: Literal["uniform_mb", "uniform_fraction", "levels", "list", "file"] = "uniform_mb"
    """uniform_mb: whole MB, uniform, as in the paper; uniform_fraction and levels: fractions of the full
    model's need; list: `values_mib`; file: `path`."""
    low_mb: Count = 100
    """uniform_mb: smallest quota in MB (10^6 bytes)."""
    high_mb: Count = 900
    """uniform_mb: largest quota in MB (10^6 bytes)."""
    low_fraction: PositiveFloat = 0.12
    """uniform_fraction: smallest quota as a fraction of the full model's need."""
    high_fraction: PositiveFloat = 1.07
    """uniform_fraction: largest quota as a fraction of the full model's need."""
    fractions: tuple[PositiveFloat, ...] = ()
    """levels: quota of each level as a fraction of the full model's need."""
    shares: tuple[PositiveFloat, ...] = ()
    """levels: share of the devices at each level; they sum to 1."""
    values_mib: tuple[PositiveFloat, ...] = ()
    """list: one quota in MiB per device."""
    path: Path | None = None
    """file: a text file with one quota in MiB per line, one line per device."""
    seed: int | None = 42
    """Seed of the draw (the paper's is 42); null: derived from the root seed."""

    @model_validator(mode="after")
    def _consistent(self) -> Self:
        if self.low_mb > self.high_mb:
            raise ValueError(f"low_mb={self.low_mb} is above high_mb={self.high_mb}")
        if self.low_fraction > self.high_fraction:
            raise ValueError(f"low_fraction={self.low_fraction} is above high_fraction={self.high_fraction}")
        if self.name == "levels":
            if not self.fractions or len(self.fractions) != len(self.shares):
                raise ValueError("levels need as many fractions as shares, and at least one")
            if abs(sum(self.shares) - 1) > 1e-6:
                raise ValueError(f"shares must sum to 1, not {sum(self.shares):g}")
        if self.name == "list" and not self.values_mib:
            raise ValueError("quotas.name=list needs values_mib, one per device")
        if self.name == "file" and self.path is None:
            raise ValueError("quotas.name=file needs path")
        return self


class FederationConfig(Section):
    """The devices."""

    num_devices: Count = 100
    """Registered devices."""
    cohort_size: Count = 20
    """Devices drawn for a round, without replacement, among those that can afford the step."""
    quotas: QuotaConfig = Field(default_factory=QuotaConfig)

    @model_validator(mode="after")
    def _consistent(self) -> Self:
        if self.cohort_size > self.num_devices:
            raise ValueError(f"cohort_size={self.cohort_size} is above num_devices={self.num_devices}")
        return self
