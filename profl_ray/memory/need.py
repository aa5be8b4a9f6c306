"""The need of a sub-model: its predicted peak training memory, split into parts."""

from dataclasses import asdict, dataclass
from typing import ClassVar

from profl_ray.sizes import MIB


@dataclass(frozen=True, kw_only=True)
class Need:
    """Bytes alive at the moment of the peak."""

    PARTS: ClassVar = ("parameters", "gradients", "optimizer", "activations", "temporaries")

    parameters_bytes: int
    """Parameters and buffers, frozen ones included."""
    gradients_bytes: int
    optimizer_bytes: int
    activations_bytes: int
    """Saved for a backward pass."""
    temporaries_bytes: int
    """All else: the batch, what passes through frozen parts, what lives inside an operation or a gradient."""

    @property
    def total_bytes(self) -> int:
        """The need in bytes."""
        return sum(asdict(self).values())

    @property
    def mib(self) -> float:
        """The need in MiB."""
        return self.total_bytes / MIB

    def parts_mib(self) -> dict[str, float]:
        """Return the parts in MiB, by name."""
        return {name.removesuffix("_bytes"): value / MIB for name, value in asdict(self).items()}


STATED_ERROR = 0.2
"""Share by which a measured peak may exceed its prediction: private copies that CPU kernels make of weights
and inputs, which no tensor counter sees before they run (docs/memory.md has the measurements)."""
SMALLEST_ERROR_MIB = 0.5
"""The same for tiny models, whose kernels' fixed buffers are as large as their tensors."""


@dataclass(frozen=True)
class Demand:
    """What a task takes: the prediction that gates it, and the peak that was measured."""

    need_mib: float
    measured_peak_mib: float

    @property
    def mib(self) -> float:
        """The larger of the two."""
        return max(self.need_mib, self.measured_peak_mib)

    def refusal(self, quota_mib: float) -> str:
        """Return why a device with this quota may not train; empty if it may."""
        if self.need_mib > quota_mib:
            return "predicted, before training"
        if self.measured_peak_mib > quota_mib * (1 + STATED_ERROR) + SMALLEST_ERROR_MIB:
            return "measured, beyond the estimator's stated error"
        return ""
