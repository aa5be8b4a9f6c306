import numpy as np
from hypothesis import given
from hypothesis import strategies as st

from profl_ray.config import SplitConfig
from profl_ray.federation.partitioners.deal import Deal
from profl_ray.federation.partitioners.iid import partition_iid


@given(st.integers(1, 200), st.integers(1, 30), st.integers(0, 99))
def test_sizes_differ_by_at_most_one(num_examples, num_devices, seed):
    shares = partition_iid(Deal(np.zeros(num_examples, np.int64), 1, num_devices, seed), SplitConfig())
    sizes = [len(share) for share in shares]
    assert max(sizes) - min(sizes) <= 1
    assert sorted(np.concatenate(shares).tolist()) == list(range(num_examples))
