import pytest

from profl_ray.config import load_experiment
from profl_ray.errors import UserError
from profl_ray.fleet.resources import check_cluster, run_bundles

from .kit import SHORT

RAY = ("fleet.backend=ray", "fleet.num_actors=3", "fleet.cpus_per_actor=0.5")


def config(root, *overrides):
    return load_experiment("digits_tiny", [*SHORT, f"storage.root={root}", *overrides])


def test_a_trial_in_one_process_asks_for_one_bundle(tmp_path):
    assert run_bundles(config(tmp_path, "fleet.cpus_per_actor=1")) == [{"CPU": 1.0}]
    gpu = config(tmp_path, "fleet.cpus_per_actor=2", "fleet.gpus_per_actor=0.5", "fleet.num_actors=3")
    assert run_bundles(gpu) == [{"CPU": 2.0, "GPU": 0.5}]


def test_a_trial_on_ray_asks_for_its_driver_and_every_actor(tmp_path):
    assert run_bundles(config(tmp_path, *RAY)) == [{}, *[{"CPU": 0.5}] * 3]
    driver = config(tmp_path, *RAY, "fleet.driver_cpus=0.25", "fleet.gpus_per_actor=1")
    assert run_bundles(driver) == [{"CPU": 0.25}, *[{"CPU": 0.5, "GPU": 1.0}] * 3]


def test_an_actor_per_device_is_a_bundle_per_device(tmp_path):
    bundles = run_bundles(config(tmp_path, *RAY, "fleet.actor_per_device=true"))
    assert bundles == [{}, *[{"CPU": 0.5}] * 6]


def test_a_cluster_that_is_too_small_is_told_with_the_numbers(tmp_path):
    check_cluster(config(tmp_path, *RAY), [{"CPU": 0.5}, {"CPU": 1.0}])
    with pytest.raises(UserError) as told:
        check_cluster(config(tmp_path, *RAY, "fleet.driver_cpus=1"), [{"CPU": 2.0, "memory": 1e9}])
    assert "needs 2.5 CPU (driver and 3 client actors), the cluster has 2 (" in str(told.value)
    assert "fleet.num_actors" in str(told.value) and "fleet.cpus_per_actor" in str(told.value)


def test_a_cluster_without_gpus_is_told_too(tmp_path):
    with pytest.raises(UserError, match=r"needs 1\.5 GPU .* has 0 .*fleet\.gpus_per_actor"):
        check_cluster(config(tmp_path, *RAY, "fleet.gpus_per_actor=0.5"), [{"CPU": 8.0}])


@pytest.mark.parametrize(("num_actors", "each"), [(7, 1.0), (50, 0.14), (70, 0.1), (10, 0.7), (3, 0.0)])
def test_what_fits_exactly_is_enough(tmp_path, num_actors, each):
    many = config(
        tmp_path, "fleet.backend=ray", f"fleet.num_actors={num_actors}", f"fleet.cpus_per_actor={each}"
    )
    check_cluster(many, [{"CPU": 7.0}])
    with pytest.raises(UserError, match=r"the cluster is too small|no node is large enough"):
        check_cluster(config(tmp_path, "fleet.cpus_per_actor=7.1"), [{"CPU": 7.0}])


def test_a_trial_in_one_process_must_reserve_something(tmp_path):
    with pytest.raises(UserError, match=r"^fleet\.cpus_per_actor=0: a trial in one process must reserve"):
        check_cluster(config(tmp_path, "fleet.cpus_per_actor=0"), [{"CPU": 7.0}])
    check_cluster(config(tmp_path, "fleet.cpus_per_actor=0", "fleet.gpus_per_actor=1"), [{"GPU": 1.0}])


def test_an_actor_that_fits_no_node_is_told_though_the_sum_would_do(tmp_path):
    wide = config(tmp_path, "fleet.backend=ray", "fleet.num_actors=1", "fleet.cpus_per_actor=3")
    check_cluster(wide, [{"CPU": 1.0}, {"CPU": 3.0}])
    with pytest.raises(UserError, match=r"one client actor needs 3 CPU, the largest node has 2 "):
        check_cluster(wide, [{"CPU": 2.0}, {"CPU": 2.0}])
