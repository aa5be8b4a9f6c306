"""Common part of methods that cut the network into widths: HeteroFL and FedRolex.

A device trains the widest level of `strategy.width_levels` that it can afford; a coordinate becomes the mean
over the devices that own it, and stays as it is where none does.

Batch norm is static: batch statistics in training, and before an evaluation one forward pass of the complete
network over the cohort gives the running statistics. Devices take part in it that can afford a forward pass
(it keeps no activations, gradients or momenta). What it sends and computes is counted once, at the end.
"""

from collections.abc import Mapping
from dataclasses import replace

import numpy as np

from profl_ray.models import SubModelPlan
from profl_ray.models.slicing import Slices, slices_of
from profl_ray.models.width import WidthPlan
from profl_ray.strategies.base import Plan, StrategyContext, mean_update, task_state
from profl_ray.strategies.merging import merge_slices
from profl_ray.strategies.single_step import TRAIN, SingleStep
from profl_ray.training import Calibration, LocalTask, Masked, State, TaskSum

MAX_GRADIENT_NORM = 1.0
"""HeteroFL's bound, where the configuration names none."""


class Widths(SingleStep):
    """One task per level; subclasses say which channels a narrow network has."""

    def __init__(self, context: StrategyContext) -> None:
        self._tasks = _tasks(context)
        super().__init__(context)

    def shift(self) -> int:
        """Return the first channel of narrow networks in this round."""
        return 0

    def tasks(self) -> list[LocalTask]:
        """Return the levels' tasks, widest first."""
        return self._tasks

    def slices(self, task: LocalTask) -> dict[str, Slices]:
        """Return where the tensors of `task` lie inside the complete weights, in this round."""
        shapes = {name: value.shape for name, value in self.weights.items()}
        parts = {
            name: shape
            for layout in (task.moving, task.frozen)
            for name, shape in zip(layout.names, layout.shapes, strict=True)
        }
        return slices_of(shapes, parts, self.shift())

    def task_weights(self, task: LocalTask) -> State:
        """Return the narrow network's part of the weights."""
        return {name: self.weights[name][np.ix_(*at)] for name, at in self.slices(task).items()}

    def merge(self, sums: Mapping[int, TaskSum]) -> None:
        """Take per coordinate the mean over its owners."""
        slices = [self.slices(task) for task in self.tasks()]
        self.weights |= merge_slices(self.weights, self.tasks(), slices, sums)

    def survey(self) -> Plan:
        """Return the pass for the running statistics of the complete network."""
        config = self.context.config
        forward = Calibration(1, config.training.batch_size, 0.0, 0.0, 0.0)
        model = SubModelPlan(self.context.network, self.context.network.num_blocks)
        task = LocalTask("statistics", model, forward, trainable=(), moving_statistics=("",))
        state = task_state(task, self.weights, str(self.rounds_done))
        return Plan(TRAIN, 0, self.rounds_done + 1, (state,), phase="statistics")

    def merge_survey(self, sums: Mapping[int, TaskSum]) -> None:
        """Take the mean of the devices' statistics; the old ones stay where no device could."""
        if sums:
            self.weights |= mean_update(self.survey().states[0].task, sums[0])


def _tasks(context: StrategyContext) -> list[LocalTask]:
    settings = context.config.training.model_dump()
    settings["max_gradient_norm"] = settings["max_gradient_norm"] or MAX_GRADIENT_NORM
    tasks: list[LocalTask] = []
    for rate in context.config.strategy.width_levels:
        task = LocalTask(
            f"train width {rate:g}",
            WidthPlan(replace(context.network, rate=rate)),
            Masked(**settings),
            trainable=("",),
            moving_statistics=(),
        )
        # A narrow model may have no narrower network: 1/16 of 4 channels is one channel, as is 1/8.
        if not tasks or task.moving != tasks[-1].moving:
            tasks.append(task)
    return tasks
