"""Costs of units: what a partition into blocks of about equal need weighs."""

from itertools import pairwise

import torch

from profl_ray.memory import unit_costs_bytes
from profl_ray.models import Network, balanced_partition


def network(name: str, width: float = 1.0) -> Network:
    stages = {"cnn": 4, "resnet18": 8, "resnet34": 16}[name]
    return Network(name, width, (3, 32, 32), 10, (1,) * stages)


def test_costs_of_a_hand_counted_unit() -> None:
    """First unit of the CNN: input, the convolution's output, the normalised output; small vectors."""
    (first, *_) = unit_costs_bytes(network("cnn"), 10)
    images, outputs, channels = 10 * 3 * 32 * 32, 10 * 16 * 32 * 32, 16
    weights = 3 * 16 * 9
    parameters = weights + 2 * channels
    saved_vectors = first - 4 * (images + 2 * outputs + 2 * parameters)
    # Also saved: the convolution's weight, batch norm's scale and its statistics, each once.
    assert 4 * weights <= saved_vectors <= 4 * (weights + 5 * channels)


def test_one_cost_per_unit_and_more_for_more_images() -> None:
    few, many = (unit_costs_bytes(network("resnet18"), batch_size) for batch_size in (2, 64))
    assert len(few) == len(many) == 8
    assert all(0 < a < b for a, b in zip(few, many, strict=True))


def test_early_units_weigh_activations_and_late_ones_parameters() -> None:
    costs = unit_costs_bytes(network("resnet18"), 128)
    assert costs[0] == max(costs) and costs[0] > 2 * costs[4]
    tiny_batch = unit_costs_bytes(network("resnet18"), 1)
    assert tiny_batch[-1] == max(tiny_batch)


def test_nothing_is_allocated_and_no_random_number_drawn() -> None:
    state = torch.get_rng_state()
    assert sum(unit_costs_bytes(network("resnet34", width=4.0), 4096)) > 2**36
    assert torch.equal(torch.get_rng_state(), state)


def test_a_partition_by_cost_is_more_even_than_the_stages() -> None:
    costs = unit_costs_bytes(network("resnet18"), 128)
    by_cost = balanced_partition(costs, 4)

    def costliest(partition: tuple[int, ...]) -> float:
        bounds = [sum(partition[:index]) for index in range(len(partition) + 1)]
        return max(sum(costs[a:b]) for a, b in pairwise(bounds))

    assert costliest(by_cost) < costliest((2, 2, 2, 2))
