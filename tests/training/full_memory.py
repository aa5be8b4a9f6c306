"""A program for test_worker: devices 0 and 3 meet a full memory when a convolution's kernel is to be made."""

import json
import sys
from contextlib import suppress
from dataclasses import asdict
from itertools import count
from pathlib import Path

import torch
from torch.nn import functional

sys.path.insert(0, str(Path(__file__).parents[1]))
from profl_ray.memory import Demand
from profl_ray.training import LocalSGD
from training.kit import make_data, make_order, make_state, make_worker

SIZES = (30, 20, 19, 30, 18)
PIECE = int(sys.argv[1])
"""Floats of each tensor that fills the memory: what is left of the heap decides what fails."""
errors = []
work = LocalSGD.work


def fill_memory(self, model, task, device):
    """Train; but thirty images fill the allowance, and ask for kernels that were never asked for before."""
    if len(device.inputs) != SIZES[0]:
        return work(self, model, task, device)
    held = []
    try:
        with suppress(RuntimeError):
            while len(held) < 8000:
                held.append(torch.zeros(PIECE))
        for size in count(5):
            functional.conv2d(torch.zeros(size, 3, 9, 9), torch.zeros(size + 4, 3, 3, 3))
    except RuntimeError as error:
        errors.append(str(error))
        raise
    finally:
        held.clear()


LocalSGD.work = fill_memory
data, state = make_data(num_train=sum(SIZES)), make_state()
worker = make_worker(SIZES, data)
order = make_order(0, 1, 2, 3, 4, quota_mib=4.0, demand=Demand(1.0, 1.0))
reports = worker.train(order, [state]).reports
alone = make_worker(SIZES, data)
print(
    json.dumps(
        {
            "first_error": errors[0],
            "failed": [report.device for report in reports if report.failure],
            "evaluation": asdict(worker.evaluate(state, 0, 37, 10)),
            "evaluation_alone": asdict(alone.evaluate(state, 0, 37, 10)),
        },
        default=lambda array: array.tolist(),
    )
)
