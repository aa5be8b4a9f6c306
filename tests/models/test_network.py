"""A network's blocks: which units they hold and what a proxy must know of them."""

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from profl_ray.models import FAMILIES, Network, find_family
from profl_ray.models.unit import UnitShape, joint_shape, scaled

RESNET18 = Network("resnet18", 1.0, (3, 32, 32), 10, (2, 2, 2, 2))


def test_blocks_of_the_paper() -> None:
    assert (RESNET18.num_blocks, RESNET18.num_units) == (4, 8)
    assert [list(RESNET18.units_of(block)) for block in (1, 2, 3, 4)] == [[0, 1], [2, 3], [4, 5], [6, 7]]
    assert [RESNET18.block_shape(block) for block in (1, 2, 3, 4)] == [
        UnitShape(3, 64, 1),
        UnitShape(64, 128, 2),
        UnitShape(128, 256, 2),
        UnitShape(256, 512, 2),
    ]


def test_strides_of_a_block_multiply() -> None:
    assert Network("resnet18", 1.0, (3, 32, 32), 10, (3, 5)).block_shape(2) == UnitShape(128, 512, 4)
    assert Network("vgg11_bn", 0.25, (1, 32, 32), 10, (4, 4)).block_shape(1) == UnitShape(1, 64, 8)


@settings(deadline=None, max_examples=40)
@given(st.sampled_from(sorted(FAMILIES)), st.data())
def test_blocks_cover_the_units_in_order(name: str, data) -> None:
    num_units = sum(find_family(name).stages)
    partition, left = [], num_units
    while left:
        partition.append(data.draw(st.integers(1, left)))
        left -= partition[-1]
    network = Network(name, 0.1, (3, 32, 32), 10, tuple(partition))
    covered = [unit for block in range(1, network.num_blocks + 1) for unit in network.units_of(block)]
    assert covered == list(range(num_units)) == list(range(network.num_units))
    total = 1
    for block in range(1, network.num_blocks + 1):
        total *= network.block_shape(block).stride
    assert total == joint_shape(network.unit_shapes).stride


@pytest.mark.parametrize(("width", "channels"), [(1.0, 64), (0.25, 16), (0.26, 17), (1e-9, 1)])
def test_scaled_rounds_and_never_vanishes(width: float, channels: int) -> None:
    assert scaled(64, width) == channels


def test_networks_are_values() -> None:
    """Tasks travel and are dictionary keys: equal plans must be equal, also after their shapes were read."""
    twin = Network("resnet18", 1.0, (3, 32, 32), 10, (2, 2, 2, 2))
    assert RESNET18.unit_shapes and twin == RESNET18 and hash(twin) == hash(RESNET18)
    assert repr(twin) == repr(RESNET18)
