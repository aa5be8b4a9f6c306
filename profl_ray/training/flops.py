"""Floating-point operations of local training, counted without computing anything."""

from collections import Counter
from collections.abc import Sequence

import torch

from profl_ray.facts import KeptFacts
from profl_ray.memory.estimate import blank_tensors
from profl_ray.training.orders import DeviceReport, TaskState
from profl_ray.training.task import LocalTask


def flops_per_example(task: LocalTask) -> float:
    """Return the operations of one local step on `task`, forward and backward, per example of the batch.

    A multiplication and an addition count as two. Convolutions and matrix products only: the rest is below
    1 % of them.
    """
    # Imported here: it brings triton, 70 MiB that client actors do not need.
    from torch.utils.flop_counter import FlopCounterMode

    counting = FlopCounterMode(
        display=False, custom_mapping={torch.ops.aten.convolution_backward: _convolution_backward}
    )
    with blank_tensors(task.carries_tangents), counting as counter:
        task.begin(task.build())()
    return counter.get_total_flops() / task.batch_size


def _convolution_backward(
    grad_shape: Sequence[int],
    in_shape: Sequence[int],
    weight_shape: Sequence[int],
    bias: object,
    stride: object,
    padding: object,
    dilation: object,
    transposed: bool,
    output_padding: object,
    groups: int,
    wanted: Sequence[bool],
    out_shape: object,
) -> int:
    """Count a gradient like a forward pass; torch's formula counts those of grouped weights too often."""
    from torch.utils.flop_counter import conv_flop_count

    forward: int = conv_flop_count(list(in_shape), list(weight_shape), list(grad_shape), transposed)
    return forward * (wanted[0] + wanted[1])


def known_flops(task: LocalTask, facts: KeptFacts) -> float:
    """Return `flops_per_example`, which is found out once."""
    return facts.get(f"operations: {task.memory_key}", lambda: flops_per_example(task), float)


def local_flops(states: Sequence[TaskState], reports: Sequence[DeviceReport], facts: KeptFacts) -> int:
    """Return the operations of all devices whose update was merged, over all their local epochs."""
    num_examples = Counter[LocalTask]()
    for report in reports:
        if report.failure is None:
            task = states[report.task_index].task.recomputing(report.recomputed)
            num_examples[task] += report.num_examples
    return round(
        sum(n * task.procedure.passes * known_flops(task, facts) for task, n in num_examples.items())
    )
