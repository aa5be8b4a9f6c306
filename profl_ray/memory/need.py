"""The need of a sub-model: its predicted peak training memory, split into parts."""

from dataclasses import asdict, dataclass

MIB = 2**20


@dataclass(frozen=True, kw_only=True)
class Need:
    """Bytes alive at the moment of the peak."""

    parameters_bytes: int
    """Parameters and buffers, frozen ones included."""
    gradients_bytes: int
    optimizer_bytes: int
    activations_bytes: int
    """Saved for the backward pass, and the inputs."""
    temporaries_bytes: int
    """Alive only inside an operation or the backward pass."""

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
