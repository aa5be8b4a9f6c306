"""Where narrow networks lie: windows of channels, and that the channels of neighbouring layers agree."""

from dataclasses import replace

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from profl_ray.models import FAMILIES, Network, SubModelPlan, find_family, state_tensors
from profl_ray.models.slicing import slices_of, window
from profl_ray.models.width import WidthPlan

from .plain import images, loaded, on_meta, random_state

CUTS = st.integers(1, 40).flatmap(lambda size: st.tuples(st.just(size), st.integers(1, size)))


def small(name: str) -> Network:
    return Network(name, 0.1, (3, 32, 32), 10, find_family(name).stages)


def shapes_of(plan: WidthPlan | SubModelPlan) -> dict[str, tuple[int, ...]]:
    return {name: tuple(value.shape) for name, value in state_tensors(on_meta(plan.build)).items()}


def test_windows_by_hand() -> None:
    assert window(8, 3, 0).tolist() == [0, 1, 2]
    assert window(8, 3, 2).tolist() == [2, 3, 4]
    assert window(8, 3, 6).tolist() == [6, 7, 0]
    assert window(8, 3, 8 + 7).tolist() == [7, 0, 1]
    assert window(8, 8, 5).tolist() == list(range(8))


@settings(deadline=None)
@given(cut=CUTS, shift=st.integers(0, 200))
def test_a_window_is_a_run_of_different_channels(cut: tuple[int, int], shift: int) -> None:
    size, narrow = cut
    channels = window(size, narrow, shift)
    assert channels.dtype == np.int64 and len(set(channels.tolist())) == len(channels) == narrow
    assert channels.min() >= 0 and channels.max() < size
    assert np.all(np.diff(channels) % size == 1 % size)
    assert np.array_equal(channels, window(size, narrow, shift + size))
    if narrow < size:
        assert channels[0] == shift % size
        assert np.array_equal(window(size, narrow, shift + 1), (channels + 1) % size)


@settings(deadline=None)
@given(cut=CUTS, start=st.integers(0, 50))
def test_a_turn_trains_every_channel_equally_often(cut: tuple[int, int], start: int) -> None:
    size, narrow = cut
    turn = np.concatenate([window(size, narrow, start + step) for step in range(size)])
    assert np.bincount(turn, minlength=size).tolist() == [narrow] * size


@pytest.mark.parametrize("name", FAMILIES)
def test_without_shift_they_are_the_first_channels(name: str) -> None:
    network = small(name)
    full = shapes_of(WidthPlan(network))
    narrow = shapes_of(WidthPlan(replace(network, rate=0.25)))
    slices = slices_of(full, narrow)
    assert slices.keys() == narrow.keys()
    for key, at in slices.items():
        values = np.arange(np.prod(full[key])).reshape(full[key])
        corner = values[tuple(slice(size) for size in narrow[key])]
        assert np.array_equal(values[np.ix_(*at)], corner)


@pytest.mark.parametrize("shift", [0, 7])
@pytest.mark.parametrize("rate", [0.5, 0.0625])
@pytest.mark.parametrize("name", ["cnn", "resnet18", "vgg11_bn"])
def test_a_narrow_network_is_the_full_one_with_its_other_channels_dead(
    name: str, rate: float, shift: int
) -> None:
    """Its weights, put where the slices say among zeros, answer as it does: the layers' channels agree."""
    network = small(name)
    narrow_plan, full_plan = (SubModelPlan(n, n.num_blocks) for n in (replace(network, rate=rate), network))
    narrow = random_state(on_meta(narrow_plan.build))
    shapes = shapes_of(full_plan)
    slices = slices_of(shapes, shapes_of(narrow_plan), shift)
    full = {key: torch.zeros(shape) for key, shape in shapes.items()}
    for key, at in slices.items():
        if key.endswith("running_var"):
            full[key] += 1
        full[key][np.ix_(*at)] = narrow[key]
    full |= {key: value for key, value in narrow.items() if key not in slices}
    batch = images(3, 3, 32, 32)
    answers = [loaded(plan.build, s).eval()(batch) for plan, s in ((full_plan, full), (narrow_plan, narrow))]
    torch.testing.assert_close(*answers, rtol=1e-4, atol=1e-5)
    assert answers[0].std() > 0


def test_images_and_classes_never_roll() -> None:
    network = small("resnet18")
    slices = slices_of(
        shapes_of(WidthPlan(network)), shapes_of(WidthPlan(replace(network, rate=0.5))), shift=3
    )
    assert slices["units.0.0.weight"][1].tolist() == [0, 1, 2]
    assert slices["head.weight"][0].tolist() == slices["head.bias"][0].tolist() == list(range(10))
    assert slices["head.weight"][1][0] == 3
