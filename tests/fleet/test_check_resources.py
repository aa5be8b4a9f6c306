import pytest

from profl_ray.errors import UserError
from profl_ray.fleet import ray_fleet


@pytest.fixture
def cluster(monkeypatch):
    monkeypatch.setattr(ray_fleet.ray, "cluster_resources", lambda: {"CPU": 7.0, "GPU": 1.0})


@pytest.mark.parametrize(("num_actors", "each"), [(7, 1.0), (50, 0.14), (70, 0.1), (3, 0.0)])
def test_what_fits_exactly_is_enough(cluster, num_actors, each):
    ray_fleet.check_resources(num_actors, each, 0.0)


def test_missing_gpus_are_told_as_such(cluster):
    with pytest.raises(
        UserError, match=r"3 client actors x 0\.5 GPU = 1\.5 GPU, the cluster has 1 "
    ) as caught:
        ray_fleet.check_resources(3, 1.0, 0.5)
    assert "fleet.gpus_per_actor" in str(caught.value)
