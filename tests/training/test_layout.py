from math import prod

import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra import numpy as hnp

from profl_ray.training import Layout

SHAPES = st.lists(hnp.array_shapes(min_dims=0, max_dims=4, min_side=0, max_side=4), max_size=5)


def make_state(shapes, seed=0):
    generator = np.random.default_rng(seed)
    return {f"tensor{i}": generator.normal(size=s).astype(np.float32) for i, s in enumerate(shapes)}


def layout_of(state):
    return Layout.of({name: value.shape for name, value in state.items()})


@given(SHAPES)
def test_unpack_is_the_inverse_of_pack(shapes):
    state = make_state(shapes)
    layout = layout_of(state)
    flat = layout.pack(state)
    assert flat.dtype == np.float32 and flat.shape == (layout.size,)
    assert layout.num_bytes == flat.nbytes == 4 * sum(map(prod, shapes))
    back = layout.unpack(flat)
    assert list(back) == list(state)
    for name, value in state.items():
        np.testing.assert_array_equal(back[name], value)
        assert back[name].shape == value.shape


@given(SHAPES, st.randoms(use_true_random=False))
def test_pack_follows_the_layout_and_ignores_what_it_does_not_name(shapes, random):
    state = make_state(shapes)
    layout = layout_of(state)
    items = [*state.items(), ("other", np.ones(3, np.float32))]
    random.shuffle(items)
    np.testing.assert_array_equal(layout.pack(dict(items)), layout.pack(state))


@given(SHAPES, st.booleans())
def test_collect_returns_what_load_set(shapes, writeable):
    state = make_state(shapes)
    layout = layout_of(state)
    flat = layout.pack(state)
    flat.flags.writeable = writeable
    tensors = {name: torch.full(value.shape, torch.nan) for name, value in state.items()}
    layout.load(tensors, flat)
    np.testing.assert_array_equal(layout.collect(tensors), flat)
    for name, value in state.items():
        np.testing.assert_array_equal(tensors[name].numpy(), value)


def test_memory_format_does_not_show():
    weight = torch.arange(2 * 3 * 4 * 5, dtype=torch.float32).reshape(2, 3, 4, 5)
    layout = Layout.of({"weight": (2, 3, 4, 5)})
    channels_last = torch.zeros(2, 3, 4, 5).to(memory_format=torch.channels_last)
    layout.load({"weight": channels_last}, layout.pack({"weight": weight.numpy()}))
    assert channels_last.is_contiguous(memory_format=torch.channels_last)
    assert torch.equal(channels_last, weight)
    np.testing.assert_array_equal(layout.collect({"weight": channels_last}), np.arange(120))


@pytest.mark.parametrize("writeable", [True, False])
def test_load_copies(writeable):
    layout = Layout.of({"a": (3,)})
    flat = np.ones(3, np.float32)
    flat.flags.writeable = writeable
    tensors = {"a": torch.zeros(3)}
    layout.load(tensors, flat)
    tensors["a"].zero_()
    np.testing.assert_array_equal(flat, np.ones(3))


def test_collect_copies_even_a_single_tensor():
    tensors = {"a": torch.ones(3)}
    collected = Layout.of({"a": (3,)}).collect(tensors)
    tensors["a"].zero_()
    np.testing.assert_array_equal(collected, np.ones(3))


def test_load_reaches_parameters_that_require_gradients():
    parameter = torch.nn.Parameter(torch.zeros(2))
    Layout.of({"p": (2,)}).load({"p": parameter}, np.array([1, 2], np.float32))
    assert parameter.tolist() == [1, 2] and parameter.requires_grad


@pytest.mark.parametrize("size", [5, 7])
def test_a_flat_array_of_another_size_is_refused(size):
    with pytest.raises(AssertionError, match=rf"\({size},\) does not fit a layout of 6 scalars"):
        Layout.of({"a": (2, 3)}).unpack(np.zeros(size, np.float32))
