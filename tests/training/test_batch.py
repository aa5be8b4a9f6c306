"""Batches of one tensor and of nests of them."""

import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from torch.utils._pytree import tree_iter

from profl_ray.training.batch import as_batch, join, kept_layout, num_rows, rows, split


def maps(count: int = 5) -> torch.Tensor:
    return torch.arange(count * 3 * 2 * 2, dtype=torch.float32).reshape(count, 3, 2, 2)


def nest(count: int = 5) -> dict[str, object]:
    """Maps, values with a mask, and a word that is no tensor."""
    values = torch.arange(count * 4, dtype=torch.float32).reshape(count, 4)
    return {"maps": maps(count), "tokens": (values, values > 7), "kind": "made up"}


def same(one: object, other: object) -> bool:
    pairs = zip(tree_iter(one), tree_iter(other), strict=True)
    return all(torch.equal(a, b) if isinstance(a, torch.Tensor) else a == b for a, b in pairs)


@pytest.mark.parametrize("make", [maps, nest])
@given(count=st.integers(1, 9), size=st.integers(1, 10))
def test_join_undoes_split(make, count, size):
    inputs = make(count)
    pieces = split(inputs, size)
    assert [num_rows(piece) for piece in pieces[:-1]] == [size] * (len(pieces) - 1)
    assert num_rows(inputs) == count and same(join(pieces), inputs)


def test_rows_are_copies_in_the_order_asked_for():
    inputs = nest()
    taken = rows(inputs, torch.tensor([3, 0, 3]))
    assert taken["kind"] == "made up"
    for whole, part in zip(
        (inputs["maps"], *inputs["tokens"]), (taken["maps"], *taken["tokens"]), strict=True
    ):
        assert torch.equal(part, torch.stack([whole[3], whole[0], whole[3]]))
    assert torch.equal(rows(maps(), torch.tensor([1])), maps()[1:2])


def test_maps_alone_get_channels_last():
    inputs = as_batch(nest())
    assert same(inputs, nest())
    assert inputs["maps"].is_contiguous(memory_format=torch.channels_last)
    assert as_batch(maps()).stride() == (12, 1, 6, 3)
    values = torch.ones(3, 4, dtype=torch.int64)
    assert as_batch(values) is values
    assert as_batch(maps(), torch.contiguous_format).is_contiguous()


def test_kept_maps_of_one_pixel_have_the_strides_of_channels_last():
    features = kept_layout((torch.ones(2, 3, 1, 1), torch.ones(2, 4).T))
    assert features[0].stride() == (3, 1, 3, 3) and features[1].is_contiguous()
