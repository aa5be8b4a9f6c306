"""What runs are ranked by: a value of a run as it stands, chosen by `evaluation.ranked_by`."""

from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass

from profl_ray.server.record import RoundRecord
from profl_ray.server.summary import summarise

BY_ACCURACY = "final_accuracy"


@dataclass(frozen=True)
class Ranking:
    """A value by its name, and which end of it is better."""

    ranked_by: str = BY_ACCURACY
    """A name; with - in front the lowest value is the best."""

    @property
    def name(self) -> str:
        """Of the value."""
        return self.ranked_by.removeprefix("-")

    @property
    def is_default(self) -> bool:
        """Whether runs are ranked by their accuracy."""
        return self.ranked_by == BY_ACCURACY

    def score(self, values: Mapping[str, float]) -> float | None:
        """Return how good `values` are, higher being better; None if the value is not among them."""
        value = values.get(self.name)
        return value if value is None or not self.ranked_by.startswith("-") else -value

    def compared_score(self, records: Sequence[RoundRecord]) -> float | None:
        """Return the score with which a run's last round ended a step that compares with other runs'.

        None if that round ended no such step, or the run has no such value.
        """
        return self.score(standing(records)) if ends_comparably(records[-1]) else None


def ends_comparably(record: RoundRecord) -> bool:
    """Whether a round ended a step at whose end runs compare, and was evaluated."""
    return record.step_ended and record.compares and record.test_accuracy is not None


def standing(records: Sequence[RoundRecord]) -> dict[str, float]:
    """Return all that a run may be ranked by after `records`: its last round, and the summary up to it."""
    last = records[-1]
    values = asdict(last) | {"step_reduction": last.reduction}
    del values["reduction"]  # By that name the summary has the whole run's.
    own = {k: float(v) for k, v in values.items() if isinstance(v, int | float) and not isinstance(v, bool)}
    full_need_mib = last.need_mib / (1 - last.reduction)
    return own | summarise(records, full_need_mib, finished=True) | last.figures
