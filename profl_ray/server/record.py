"""What is recorded of a round: one flat record, the same for the checkpoint, MLflow and the reports."""

from dataclasses import MISSING, asdict, dataclass, field, fields
from typing import Any

from profl_ray.errors import UserError


@dataclass(frozen=True, kw_only=True)
class RoundRecord:
    """One round of one run. Sizes in MiB or bytes as named; shares and accuracies in [0, 1]."""

    round: int
    """Rounds of the run so far, this one included (1, 2, ...)."""
    stage: str
    """The strategy's word for what it does, such as grow."""
    block: int
    """Block that the step trains (1-based; 0 where the strategy has none)."""
    step_index: int
    """Index of the step in the strategy's schedule (0-based)."""
    step_round: int
    """Round inside the step (1, 2, ...)."""
    step_ended: bool
    """Whether the step ended with this round."""
    end_reason: str
    """Why the step ended: slope, max_rounds, fixed_rounds, ...; empty while it goes on."""
    compares: bool
    """Whether the accuracy at the step's end compares with those of other runs at the same step."""
    units_grown: int
    """Units of the model that are trained for good; rises to the model's number of units."""
    test_accuracy: float | None
    """Accuracy of the current sub-model on the test examples, or on the validation part where there is one;
    None where it was not evaluated."""
    test_loss: float | None
    test_recalls: tuple[float | None, ...] | None
    """By class: accuracy on its test examples, None where it has none. None if nothing was evaluated."""
    train_loss: float | None
    """Mean local loss of the last local epoch over the examples of the cohort; None if no device trained."""
    need_mib: float
    """Predicted peak memory of the step on a device (the largest, where devices differ)."""
    measured_peak_mib: float | None
    """Measured peak memory of the step on a device; None before it was measured."""
    reduction: float
    """1 - need / need of full training."""
    eligible_share: float
    """Share of all devices that can afford the step."""
    cohort: tuple[int, ...]
    """Devices drawn for the round."""
    trained: tuple[int, ...]
    """Devices whose updates were merged."""
    failed: dict[int, str]
    """Devices that were dropped, and why."""
    num_devices_ever: int
    """Devices whose updates were ever merged in this run."""
    uplink_bytes: int
    downlink_bytes: int
    local_flops: int = 0
    """Floating-point operations of all devices' local training in this round."""
    figures: dict[str, float] = field(default_factory=dict)
    """Figures of the method, by its own names; all are finite."""
    seconds: float

    @property
    def step(self) -> str:
        """The step in words, for instance `grow 2`."""
        return f"{self.stage} {self.block}" if self.block else self.stage

    def to_json(self) -> dict[str, Any]:
        """Return the record as JSON-ready values."""
        return asdict(self) | {
            "cohort": list(self.cohort),
            "trained": list(self.trained),
            "failed": {str(device): reason for device, reason in self.failed.items()},
        }

    @classmethod
    def from_json(cls, values: dict[str, Any]) -> "RoundRecord":
        """Read what `to_json` wrote; UserError if it is not a record of this version."""
        try:
            lacking = sorted(_NEEDED - values.keys())
            unknown = sorted(values.keys() - _KNOWN)
            if lacking or unknown:
                words = [f"{w} {', '.join(n)}" for w, n in (("lacks", lacking), ("has", unknown)) if n]
                raise UserError(f"a round's record of another version: it {' and '.join(words)}")
            recalls = values["test_recalls"]
            return cls(
                **values
                | {
                    "test_recalls": None if recalls is None else tuple(recalls),
                    "figures": {str(name): float(value) for name, value in values["figures"].items()},
                    "cohort": tuple(values["cohort"]),
                    "trained": tuple(values["trained"]),
                    "failed": {int(device): reason for device, reason in values["failed"].items()},
                }
            )
        except (TypeError, AttributeError, ValueError) as error:
            if isinstance(error, UserError):
                raise
            raise UserError(f"not a round's record: {error}") from error


_KNOWN = {each.name for each in fields(RoundRecord)}
_NEEDED = {each.name for each in fields(RoundRecord) if each.default is MISSING}
