"""Partitions: how consecutive units form blocks."""

from itertools import accumulate

from profl_ray.errors import UserError, unknown_name

NAMED_PARTITIONS = ("stages", "units")


def check_partition(
    partition: str | tuple[int, ...], stages: tuple[int, ...], model_name: str
) -> tuple[int, ...]:
    """Return units per block for a partition by name (`stages`, `units`) or by units per block.

    Raises UserError for an unknown name and for counts that do not add up to the model's units.
    """
    num_units = sum(stages)
    if isinstance(partition, str):
        if partition not in NAMED_PARTITIONS:
            raise unknown_name("partition", partition, NAMED_PARTITIONS)
        return stages if partition == "stages" else (1,) * num_units
    if sum(partition) != num_units or min(partition) < 1:
        raise UserError(
            f"model.partition={list(partition)} does not add up: {model_name} has {num_units} units, "
            f"the partition covers {sum(partition)} (for instance {list(stages)})"
        )
    return partition


def balanced_partition(costs: list[float], num_blocks: int) -> tuple[int, ...]:
    """Cut units of the given costs into `num_blocks` blocks, the costliest block as cheap as possible.

    Ties go to the partition whose sum of squared block costs is smallest, so that blocks are of about equal
    cost. Raises UserError where there are fewer units than blocks.
    """
    num_units = len(costs)
    if not 1 <= num_blocks <= num_units:
        raise UserError(
            f"model.partition={num_blocks}: the model has {num_units} units, so 1 to {num_units} blocks"
        )
    total = [0.0, *accumulate(costs)]
    # costliest[j]: the costliest block of the best way to cut the first j units into so many blocks.
    costliest = {0: 0.0}
    for blocks in range(1, num_blocks + 1):
        costliest = {
            stop: min(
                max(costliest[start], total[stop] - total[start]) for start in costliest if start < stop
            )
            for stop in range(blocks, num_units + 1)
        }
    # evenest[j]: sum of squares and sizes, among the ways whose blocks all stay within that limit. Apart
    # from the first pass: the evenest beginning need not be the one whose costliest block is cheapest.
    evenest: dict[int, tuple[float, tuple[int, ...]]] = {0: (0.0, ())}
    for blocks in range(1, num_blocks + 1):
        row = {}
        for stop in range(blocks, num_units + 1):
            options = [
                (squares + cost * cost, (*sizes, stop - start))
                for start, (squares, sizes) in evenest.items()
                if start < stop and (cost := total[stop] - total[start]) <= costliest[num_units]
            ]
            if options:
                row[stop] = min(options)
        evenest = row
    return evenest[num_units][1]
