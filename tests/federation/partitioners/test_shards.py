import numpy as np
from hypothesis import given
from hypothesis import strategies as st

from profl_ray.config import SplitConfig
from profl_ray.federation.partitioners.deal import Deal
from profl_ray.federation.partitioners.shards import partition_shards


@given(st.integers(1, 12), st.integers(1, 4), st.integers(1, 5), st.integers(0, 99))
def test_a_device_sees_few_classes(num_devices, shards_per_device, piece_size, seed):
    # Classes as large as a piece: every piece then has exactly one class.
    labels = np.repeat(np.arange(num_devices * shards_per_device), piece_size)
    labels = np.random.default_rng(seed).permutation(labels)
    config = SplitConfig(name="shards", shards_per_device=shards_per_device)
    shares = partition_shards(Deal(labels, len(labels), num_devices, seed), config)
    assert all(len(np.unique(labels[share])) == shards_per_device for share in shares)
    assert all(len(share) == shards_per_device * piece_size for share in shares)
    assert sorted(np.concatenate(shares).tolist()) == list(range(len(labels)))


def test_images_of_a_class_are_mixed():
    shares = partition_shards(Deal(np.zeros(100, np.int64), 1, 2, 0), SplitConfig(shards_per_device=1))
    assert 10 < (shares[0] < 50).sum() < 40
