"""A short ProFL run on digits, and a fleet that trains nothing."""

from dataclasses import replace

import numpy as np

from profl_ray.config import load_experiment
from profl_ray.training import DeviceReport, EvaluationSum, GroupResult, TaskSum

SHORT = (
    "federation.num_devices=8",
    "federation.cohort_size=5",
    "data.examples_per_device=30",
    "data.test_examples=90",
    "training.local_epochs=1",
    "freezing.name=fixed_rounds",
    "freezing.rounds=2",
    "freezing.min_rounds=1",
    "strategy.profl.map_rounds=1",
    "fleet.cohort_groups=3",
    "tracking.enabled=false",
)
STEPS = [("shrink 2", 2), ("map 2", 1), ("grow 1", 2), ("grow 2", 2)]
"""Steps of the short run with their rounds."""


def short_config(root, *overrides):
    return load_experiment("digits_tiny", [*SHORT, f"storage.root={root}", *overrides])


def without_seconds(records):
    return [replace(record, seconds=0.0) for record in records]


class FakeFleet:
    """Adds the device's number to every weight; devices in `failing` send nothing back."""

    def __init__(self, experiment, failing=()):
        self.experiment = experiment
        self.failing = set(failing)
        self.calls = []
        """Groups of each round."""
        self.measured = []
        self.num_evaluations = 0

    def train(self, groups, states):
        self.calls.append(list(groups))
        return [self._train(group, states) for group in groups]

    def _train(self, group, states):
        result = GroupResult(group.index)
        for order in group.devices:
            images = len(self.experiment.split.indices[order.device])
            failed = order.device in self.failing
            report = DeviceReport(
                order.device,
                order.task_index,
                images,
                None if failed else float(order.device),
                0.0,
                "refused" if failed else None,
            )
            update = states[order.task_index].down + np.float32(order.device)
            sums = {} if failed else {order.task_index: TaskSum(update * np.float32(images), images)}
            result.absorb(GroupResult(group.index, sums, [report]))
        return result

    def measure(self, state):
        self.measured.append(state.task.step)
        return 3 * 2**20

    def evaluate(self, state, num_examples, batch_size, part="test"):
        self.num_evaluations += 1
        half = num_examples // 2
        counts = np.array([half, 0], np.int64), np.array([half, num_examples - half], np.int64)
        return EvaluationSum(*counts, loss_sum=float(num_examples))

    def close(self):
        pass
