import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from profl_ray.config import SplitConfig
from profl_ray.errors import UserError
from profl_ray.federation.partitioners.deal import Deal
from profl_ray.federation.partitioners.natural import partition_natural

NATURAL = SplitConfig(name="natural")


def deal(groups, num_devices, seed=0):
    groups = np.asarray(groups, np.int64)
    return Deal(np.zeros(len(groups), np.int64), 1, num_devices, seed, groups)


@given(st.lists(st.integers(-3, 9), min_size=1, max_size=60), st.data(), st.integers(0, 99))
def test_groups_stay_whole_and_devices_have_as_many(groups, data, seed):
    known = sorted(set(groups))
    num_devices = data.draw(st.integers(1, len(known)))
    shares = partition_natural(deal(groups, num_devices, seed), NATURAL)
    assert len(shares) == num_devices
    assert sorted(np.concatenate(shares).tolist()) == list(range(len(groups)))
    owned = [set(np.array(groups)[share].tolist()) for share in shares]
    assert sorted(group for own in owned for group in own) == known
    assert max(map(len, owned)) - min(map(len, owned)) <= 1


def test_which_groups_are_together_is_drawn():
    groups = np.arange(12)
    drawn = {tuple(map(tuple, partition_natural(deal(groups, 3, seed), NATURAL))) for seed in range(5)}
    assert len(drawn) == 5


def test_a_device_for_each_group_is_that_group():
    shares = partition_natural(deal([5, 7, 5, 9], 3), NATURAL)
    assert sorted(share.tolist() for share in shares) == [[0, 2], [1], [3]]


def test_more_devices_than_groups_is_one_line():
    with pytest.raises(UserError, match=r"has 3 groups, too few for federation.num_devices=4 .*at most 3\)"):
        partition_natural(deal([5, 7, 9, 9], 4), NATURAL)


def test_a_data_set_without_groups_is_one_line():
    with pytest.raises(UserError, match=r"data.split.name=natural: .*does not say who .*allowed: iid,"):
        partition_natural(Deal(np.zeros(4, np.int64), 1, 2, 0), NATURAL)
