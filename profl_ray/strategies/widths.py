"""Common part of methods that cut the network into widths: HeteroFL and FedRolex.

A device trains the widest level of `strategy.width_levels` that it can afford; a coordinate becomes the mean
over the devices that own it, and stays as it is where none does.

Batch norm is static: batch statistics in training, and before an evaluation one forward pass of the complete
network over the cohort gives the running statistics. Devices take part in it that can afford a forward pass
(it keeps no activations, gradients or momenta). What it sends and computes is counted once, at the end.
"""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import replace

import numpy as np

from profl_ray.models import SubModelPlan
from profl_ray.models.slicing import Slices, slices_of
from profl_ray.models.width import WidthPlan
from profl_ray.strategies.base import Plan, StrategyContext, mean_update, task_state
from profl_ray.strategies.single_step import SingleStep
from profl_ray.training import Calibration, LocalSGD, LocalTask, MaskedCrossEntropy, State, TaskSum

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

    def plan(self) -> Plan:
        """Return the tasks, each with its slices of the weights."""
        version = str(self.rounds_done)
        return self.plan_of(tuple(task_state(task, self._sliced(task), version) for task in self.tasks()))

    def _sliced(self, task: LocalTask) -> State:
        return {name: self.weights[name][np.ix_(*at)] for name, at in self.slices(task).items()}

    def merge(self, sums: Mapping[int, TaskSum], told: Mapping[int, State]) -> None:
        """Take per coordinate the mean over its owners."""
        slices = [self.slices(task) for task in self.tasks()]
        self.weights |= merge_slices(self.weights, self.tasks(), slices, sums)

    def surveys(self, step_ended: bool) -> Iterator[Plan]:
        """Yield the pass for the running statistics of the complete network."""
        model = SubModelPlan(self.context.network, self.context.network.num_blocks)
        forward = Calibration(self.context.config.training.batch_size)
        task = LocalTask("statistics", model, forward, trainable=(), moving_statistics=("",))
        state = task_state(task, self.weights, str(self.rounds_done + 1))
        yield self.plan_of((state,), phase="statistics")

    def merge_survey(self, plan: Plan, sums: Mapping[int, TaskSum], told: Mapping[int, State]) -> None:
        """Take the mean of the devices' statistics; the old ones stay where no device could."""
        if sums:
            self.weights |= mean_update(plan.states[0].task, sums[0])


def _tasks(context: StrategyContext) -> list[LocalTask]:
    training = LocalSGD.configured(context.config.training, MaskedCrossEntropy())
    training = replace(training, max_gradient_norm=training.max_gradient_norm or MAX_GRADIENT_NORM)
    tasks: list[LocalTask] = []
    for rate in context.config.strategy.width_levels:
        task = LocalTask(
            f"train width {rate:g}",
            WidthPlan(replace(context.network, rate=rate)),
            training,
            trainable=("",),
            moving_statistics=(),
        )
        # A narrow model may have no narrower network: 1/16 of 4 channels is one channel, as is 1/8.
        if not tasks or task.moving != tasks[-1].moving:
            tasks.append(task)
    return tasks


def merge_slices(
    weights: State,
    tasks: Sequence[LocalTask],
    slices: Sequence[Mapping[str, Slices]],
    sums: Mapping[int, TaskSum],
) -> State:
    """Return the new values of every tensor of which some task trained a part.

    Per coordinate it is the weighted mean over the devices that own it; one that no device owns keeps its
    value. slices: for each task the coordinates of its tensors inside those of `weights`.
    """
    totals: State = {}
    divisors: State = {}
    for index, addend in sorted(sums.items()):
        for name, total in tasks[index].moving.unpack(addend.total).items():
            if name not in totals:
                totals[name] = np.zeros_like(weights[name])
                divisors[name] = np.zeros(weights[name].shape, dtype=np.float32)
            at = np.ix_(*slices[index][name])
            totals[name][at] += total
            divisors[name][at] += np.float32(addend.weight)
    return {
        name: np.divide(total, divisors[name], out=weights[name].copy(), where=divisors[name] > 0)
        for name, total in totals.items()
    }
