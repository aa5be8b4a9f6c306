"""What the server needs of a fleet. The server knows no Ray; a fleet knows no strategy."""

from collections.abc import Iterable, Sequence
from typing import Protocol

from profl_ray.federation import Part
from profl_ray.server.checkpoint import Snapshot
from profl_ray.server.ledger import Ledger
from profl_ray.server.record import RoundRecord
from profl_ray.strategies import Strategy
from profl_ray.training import EvaluationSum, GroupOrder, GroupResult, TaskState


class Fleet(Protocol):
    """Those who train. All fleets give the same results, bit for bit."""

    def train(self, groups: Sequence[GroupOrder], states: Sequence[TaskState]) -> Iterable[GroupResult]:
        """Train every group and give the results in the order of the groups.

        One after another: the server adds each to the round's sum and lets it go, so that its memory grows
        neither with the cohort nor with the number of groups.
        """
        ...

    def measure(self, state: TaskState) -> int:
        """Return the measured peak, in bytes, of training the task at its full batch size."""
        ...

    def evaluate(
        self, state: TaskState, num_examples: int, batch_size: int, part: Part = "test"
    ) -> EvaluationSum:
        """Evaluate the task's model on the first `num_examples` examples of a part."""
        ...

    def close(self) -> None:
        """Release what the fleet holds."""
        ...


class RoundPlayer(Protocol):
    """What plays the rounds of a run: a `Server`, or one that shares rounds with other runs."""

    @property
    def finished(self) -> bool:
        """Whether the strategy's last step has ended."""
        ...

    @property
    def strategy(self) -> Strategy:
        """The method, where it stands."""
        ...

    @property
    def ledger(self) -> Ledger:
        """What the run has counted."""
        ...

    @property
    def rounds_trained(self) -> int:
        """Rounds whose devices this run trained, those that it trained again included."""
        ...

    @property
    def rounds_shared(self) -> int:
        """Rounds that it took from other runs."""
        ...

    @property
    def branched(self) -> bool:
        """Whether it resumes from a state that came about otherwise than it would here and now."""
        ...

    def play_round(self) -> RoundRecord:
        """Play one round and return its record."""
        ...

    def snapshot(self) -> Snapshot:
        """Return everything needed to resume after the last round."""
        ...

    def restore(self, snapshot: Snapshot) -> None:
        """Resume from a snapshot."""
        ...

    def close(self) -> None:
        """Release what it holds beside its fleet."""
        ...


EVALUATION_CHUNK = 1000
"""Examples per call, rounded down to whole batches. Fixed, so that sums do not depend on the fleet."""


def evaluation_chunks(num_examples: int, batch_size: int) -> list[tuple[int, int]]:
    """Cut so many examples into ranges (start, stop) of whole batches."""
    size = max(1, EVALUATION_CHUNK // batch_size) * batch_size
    return [(start, min(start + size, num_examples)) for start in range(0, num_examples, size)]
