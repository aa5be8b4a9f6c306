"""Partitions by name, by units per block, and balanced by cost."""

from itertools import combinations, pairwise

import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

from profl_ray.errors import UserError
from profl_ray.models import balanced_partition, check_partition

STAGES = (3, 4, 6, 3)


def test_named_partitions() -> None:
    assert check_partition("stages", STAGES, "resnet34") == STAGES
    assert check_partition("units", STAGES, "resnet34") == (1,) * 16


def test_units_per_block_are_taken_as_they_are() -> None:
    assert check_partition((1, 15), STAGES, "resnet34") == (1, 15)


def test_unknown_name() -> None:
    with pytest.raises(UserError, match=r"^unknown partition 'stage'; did you mean 'stages'") as caught:
        check_partition("stage", STAGES, "resnet34")
    assert "known: stages, units" in str(caught.value)


@pytest.mark.parametrize("partition", [(2, 2), (3, 4, 6, 4), (), (16, 0), (17, -1)])
def test_partition_that_does_not_fit(partition: tuple[int, ...]) -> None:
    with pytest.raises(UserError) as caught:
        check_partition(partition, STAGES, "resnet34")
    text = str(caught.value)
    assert "\n" not in text
    for word in ("model.partition", str(list(partition)), "resnet34", "16 units", "[3, 4, 6, 3]"):
        assert word in text


@settings(deadline=None)
@given(st.lists(st.integers(1, 6), min_size=1, max_size=6), st.data())
def test_every_way_to_cut_is_accepted_and_every_other_sum_is_not(stages: list[int], data) -> None:
    num_units = sum(stages)
    cuts = data.draw(st.sets(st.integers(1, num_units - 1))) if num_units > 1 else set()
    bounds = [0, *sorted(cuts), num_units]
    partition = tuple(stop - start for start, stop in pairwise(bounds))
    assert check_partition(partition, tuple(stages), "m") == partition
    with pytest.raises(UserError):
        check_partition((*partition, 1), tuple(stages), "m")


def block_costs(costs: list[float], partition: tuple[int, ...]) -> list[float]:
    found, start = [], 0
    for size in partition:
        found.append(sum(costs[start : start + size]))
        start += size
    return found


def every_partition(num_units: int, num_blocks: int) -> list[tuple[int, ...]]:
    return [
        tuple(stop - start for start, stop in pairwise([0, *cuts, num_units]))
        for cuts in combinations(range(1, num_units), num_blocks - 1)
    ]


@settings(deadline=None)
@given(st.lists(st.integers(0, 20).map(float), min_size=1, max_size=8), st.data())
@example([1.0, 7.0, 2.0, 4.0, 8.0, 6.0], None)
def test_balanced_partition_is_the_best_of_all(costs: list[float], data) -> None:
    num_blocks = data.draw(st.integers(1, len(costs))) if data is not None else 5
    partition = balanced_partition(costs, num_blocks)
    assert len(partition) == num_blocks and sum(partition) == len(costs) and min(partition) >= 1

    def badness(candidate: tuple[int, ...]) -> tuple[float, float]:
        found = block_costs(costs, candidate)
        return max(found), sum(cost * cost for cost in found)

    assert badness(partition) == min(badness(p) for p in every_partition(len(costs), num_blocks))


@settings(deadline=None)
@given(st.lists(st.floats(0, 1e12), min_size=1, max_size=8), st.data())
def test_balanced_partition_of_any_costs(costs: list[float], data) -> None:
    num_blocks = data.draw(st.integers(1, len(costs)))
    partition = balanced_partition(costs, num_blocks)
    best = min(max(block_costs(costs, p)) for p in every_partition(len(costs), num_blocks))
    assert max(block_costs(costs, partition)) <= best * (1 + 1e-9) + 1e-3


def test_balanced_partition_of_equal_costs_is_even() -> None:
    assert balanced_partition([1.0] * 8, 4) == (2, 2, 2, 2)
    assert sorted(balanced_partition([1.0] * 8, 3)) == [2, 3, 3]


@pytest.mark.parametrize("num_blocks", [0, 5])
def test_balanced_partition_into_too_many_blocks(num_blocks: int) -> None:
    with pytest.raises(UserError, match=rf"^model.partition={num_blocks}: the model has 4 units, so 1 to 4"):
        balanced_partition([1.0] * 4, num_blocks)
