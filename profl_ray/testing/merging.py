"""Merging, computed anew: where the coordinates of a task lie, and the mean over the devices that own them.

Nothing here uses the code that strategies merge with. Where a task's coordinates lie is found by giving every
weight a number of its own and looking at what goes down to the devices.
"""

from collections.abc import Iterator

import numpy as np

from profl_ray.server.experiment import Experiment
from profl_ray.server.shelf import PREFIX
from profl_ray.testing.play import Moment
from profl_ray.training import LocalTask, State

MOST = 2**24
"""Whole numbers below it are exact in float32."""


def owned_coordinates(experiment: Experiment, moment: Moment) -> list[State]:
    """Return for each task of a round where what it sends lies in the complete model, by names of tensors.

    int64 arrays of the complete tensors' shapes: positions in the task's flat update, -1 where it owns none.
    """
    strategy = experiment.make_strategy()
    numbered, first = {}, 1
    tensors = {name: value for name, value in moment.snapshot.tensors.items() if not name.startswith(PREFIX)}
    for name, value in tensors.items():
        numbered[name] = np.arange(first, first + value.size, dtype=np.float32).reshape(value.shape)
        first += value.size
    assert first < MOST, "too many weights to number them in float32: take a smaller model"
    strategy.load_state_dict(numbered, moment.snapshot.facts["strategy"])
    complete = strategy.complete_weights()
    places = []
    for state in strategy.plan().states:
        position = np.full(first, -1, np.int64)
        numbers = _sent_numbers(state.task, state.down)
        known = (numbers >= 1) & (numbers < first) & (numbers == np.floor(numbers))
        position[numbers[known].astype(np.int64)] = np.flatnonzero(known)
        places.append({name: position[value.astype(np.int64)] for name, value in complete.items()})
    return places


def mean_over_owners(experiment: Experiment, moment: Moment) -> Iterator[tuple[str, np.ndarray, np.ndarray]]:
    """Yield each tensor of the complete model with the weighted mean of what its owners sent.

    float64, nan where nobody owns; and a bool array of what somebody does.
    """
    places = owned_coordinates(experiment, moment)
    for name, before in moment.before.items():
        total, weight = np.zeros(before.shape), np.zeros(before.shape)
        for index, addend in moment.sums.items():
            at = places[index][name]
            total += np.where(at >= 0, addend.total.astype(np.float64)[at], 0)
            weight += np.where(at >= 0, addend.weight, 0)
        with np.errstate(invalid="ignore"):
            yield name, total / weight, weight > 0


def sends_what_moves(task: LocalTask) -> bool:
    """Say whether devices send the tensors that they trained, and not something else about them."""
    return task.procedure.sent(task) == task.moving


def _sent_numbers(task: LocalTask, down: np.ndarray) -> np.ndarray:
    """Return the part of what goes down that comes back, in the order of the update."""
    return task.moving.pack(task.down.unpack(down))
