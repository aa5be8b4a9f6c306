"""The in-process fleet: one worker in this very process. For debugging, tests, and a box without Ray."""

from collections.abc import Iterator, Sequence

from profl_ray.federation import Part
from profl_ray.server.experiment import Experiment
from profl_ray.server.ports import evaluation_chunks
from profl_ray.training import DeviceWorker, EvaluationSum, GroupOrder, GroupResult, TaskState


class InProcessFleet:
    """Trains one group after another."""

    def __init__(self, experiment: Experiment) -> None:
        self.worker = DeviceWorker(experiment.data, experiment.split, experiment.worker_settings())

    def train(self, groups: Sequence[GroupOrder], states: Sequence[TaskState]) -> Iterator[GroupResult]:
        """Train one group after another and yield its result."""
        for group in groups:
            yield self.worker.train(group, list(states))

    def measure(self, state: TaskState) -> int:
        """Return the measured peak, in bytes, of training the task at its full batch size."""
        return self.worker.measure(state)

    def evaluate(
        self, state: TaskState, num_examples: int, batch_size: int, part: Part = "test"
    ) -> EvaluationSum:
        """Evaluate the task's model on the first `num_examples` examples of a part."""
        chunks = evaluation_chunks(num_examples, batch_size)
        return EvaluationSum.total(self.worker.evaluate(state, *chunk, batch_size, part) for chunk in chunks)

    def close(self) -> None:
        """Nothing is held."""
