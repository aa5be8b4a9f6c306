"""A frozen prefix gives the same bits wherever it begins."""

import numpy as np
import pytest
import torch

from profl_ray.models import FAMILIES, Network, SubModelPlan, find_family
from profl_ray.training.prefix import run_units

from .kit import TASK, make_state, make_worker


def test_a_model_that_begins_after_its_prefix_gives_the_same():
    worker = make_worker()
    model = worker.residents.hold(make_state(TASK)).model
    model.eval()
    images = torch.randn(70, 1, 8, 8)
    features = run_units(model, images, 0, 2)
    assert features.shape[0] == 70 and not features.requires_grad
    expected = model(images)
    model.num_skipped = 2
    torch.testing.assert_close(model(features), expected)


@pytest.mark.parametrize("name", sorted(FAMILIES))
def test_every_family_can_be_gone_on_with_from_a_file(tmp_path, name):
    """Wherever a unit ends, also where images are 1x1; and no layer works in place on what is kept."""
    network = Network(name, 0.125, (1, 32, 32), 10, find_family(name).stages)
    model = SubModelPlan(network, network.num_blocks).build().to(memory_format=torch.channels_last).eval()
    num_units = network.units_of(network.num_blocks).stop
    images = torch.randn(65, 1, 32, 32, generator=torch.Generator().manual_seed(1))
    given = images.clone()
    made = [run_units(model, images, 0, stop) for stop in range(1, num_units + 1)]
    for stop, features in enumerate(made, 1):
        np.save(tmp_path / f"{stop}.npy", features.permute(0, 2, 3, 1).contiguous().numpy())
        kept = torch.from_numpy(np.load(tmp_path / f"{stop}.npy", mmap_mode="r+")).permute(0, 3, 1, 2)
        for later in range(stop + 1, num_units + 1):
            assert torch.equal(run_units(model, kept, stop, later), made[later - 1])
        assert torch.equal(kept, features)
    assert torch.equal(images, given)
