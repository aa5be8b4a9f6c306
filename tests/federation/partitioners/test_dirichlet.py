import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from profl_ray.config import SplitConfig
from profl_ray.errors import UserError
from profl_ray.federation.partitioners.deal import Deal
from profl_ray.federation.partitioners.dirichlet import _dealt, _draw_cuts, partition_dirichlet

LABELS = np.tile(np.arange(10), 500)


def _histogram(alpha, seed=0, num_devices=10):
    config = SplitConfig(name="dirichlet", alpha=alpha)
    shares = partition_dirichlet(Deal(LABELS, 10, num_devices, seed), config)
    return np.stack([np.bincount(LABELS[share], minlength=10) for share in shares])


@given(
    st.lists(st.integers(0, 30), min_size=1, max_size=6),
    st.integers(1, 20),
    st.floats(1e-6, 1e9),
    st.integers(0, 99),
)
def test_rounding_neither_loses_nor_duplicates(class_sizes, num_devices, alpha, seed):
    generator = np.random.default_rng(seed)
    labels = generator.permutation(np.repeat(np.arange(len(class_sizes)), class_sizes))
    cuts = np.stack([_draw_cuts(size, num_devices, alpha, generator) for size in class_sizes])
    assert (np.diff(cuts, axis=1) >= 0).all()
    shares = _dealt(labels, cuts, generator)
    assert len(shares) == num_devices
    assert sorted(np.concatenate(shares).tolist()) == list(range(len(labels)))


def test_every_class_is_dealt_by_its_own_proportions():
    counts = _histogram(alpha=0.5)
    assert (counts.sum(axis=0) == 500).all()
    # A component of Dir(0.5 x 10) has mean 1/10 and variance 0.09 / 6; a hundred of them tell it roughly.
    assert 0.5 < (counts / 500).var() / (0.09 / 6) < 2


def test_a_large_alpha_is_nearly_even_and_a_small_one_skewed():
    assert np.abs(_histogram(alpha=1e6) - 50).max() <= 2
    assert (_histogram(alpha=0.1) == 0).mean() > 0.3


def test_out_of_tries_says_what_was_reached():
    config = SplitConfig(name="dirichlet", alpha=0.01, min_examples=400, max_tries=3)
    with pytest.raises(UserError) as caught:
        partition_dirichlet(Deal(LABELS, 10, 12, 0), config)
    message = str(caught.value)
    assert "dirichlet with alpha=0.01: in 3 draws the smallest of 12 shares never had more than" in message
    assert "min_examples=400: raise data.split.alpha" in message and "\n" not in message
    assert "federation.num_devices" in message
