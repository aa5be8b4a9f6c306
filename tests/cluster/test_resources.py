import re

import pytest
from fleet.kit import SHORT

from profl_ray.cluster.nodes import this_machine
from profl_ray.cluster.placing import Node
from profl_ray.cluster.resources import check_cluster, check_trial, run_bundles
from profl_ray.config import load_experiment
from profl_ray.errors import UserError

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


def test_what_asks_for_nothing_is_not_named(tmp_path):
    gpu = config(tmp_path, "fleet.cpus_per_actor=0", "fleet.gpus_per_actor=1")
    assert run_bundles(gpu) == [{"GPU": 1.0}]
    assert run_bundles(config(tmp_path, *RAY, "fleet.cpus_per_actor=0")) == [{}] * 4


def cpus(*numbers):
    return [Node({"CPU": number, "memory": 1e9}) for number in numbers]


def refused(checked, nodes, check=check_cluster):
    with pytest.raises(UserError) as told:
        check(checked, nodes)
    assert len(str(told.value).splitlines()) == 1
    return str(told.value)


def test_a_cluster_that_is_too_small_is_told_with_the_numbers(tmp_path):
    check_cluster(config(tmp_path, *RAY), cpus(0.5, 1.0))
    told = refused(config(tmp_path, *RAY, "fleet.driver_cpus=1"), cpus(2.0))
    assert "needs 2.5 CPU (driver and 3 client actors), the cluster has 2 (" in told
    assert "(fix: fleet.num_actors=2, fleet.cpus_per_actor)" in told


def test_what_the_jobs_own_process_holds_is_told(tmp_path):
    """`profl-ray submit sweep partitions fleet.num_actors=8` on two workers of four CPUs each."""
    eight = config(tmp_path, "fleet.backend=ray", "fleet.num_actors=8", "fleet.cpus_per_actor=1")
    held = [Node({"CPU": 4.0}), Node({"CPU": 4.0}, {"CPU": 1.0})]
    check_cluster(eight, cpus(4, 4))
    assert refused(eight, held) == (
        "the cluster is too small: a run needs 8 CPU (driver and 8 client actors), the cluster has 8, of "
        "which the job's own process holds 1 (fix: fleet.num_actors=7, fleet.cpus_per_actor)"
    )
    four = config(tmp_path, "fleet.backend=ray", "fleet.num_actors=1", "fleet.cpus_per_actor=4")
    assert "the largest node has 3 beside the job's own process" in refused(four, held[1:] * 2)


def test_a_cluster_without_gpus_is_told_too(tmp_path):
    told = refused(config(tmp_path, *RAY, "fleet.gpus_per_actor=0.5"), cpus(8.0))
    assert re.search(r"needs 1\.5 GPU .* has 0 .*fleet\.gpus_per_actor", told)


@pytest.mark.parametrize(("num_actors", "each"), [(7, 1.0), (50, 0.14), (70, 0.1), (10, 0.7), (3, 0.0)])
def test_what_fits_exactly_is_enough(tmp_path, num_actors, each):
    many = config(
        tmp_path, "fleet.backend=ray", f"fleet.num_actors={num_actors}", f"fleet.cpus_per_actor={each}"
    )
    check_cluster(many, cpus(7.0))
    told = refused(config(tmp_path, "fleet.cpus_per_actor=7.1"), cpus(7.0))
    assert "the cluster is too small: a run needs 7.1 CPU, the cluster has 7 (fix: fleet.cpus" in told


@pytest.mark.parametrize("backend", ["in_process", "ray"])
def test_a_trial_must_reserve_something(tmp_path, backend):
    nothing = config(tmp_path, "fleet.cpus_per_actor=0", f"fleet.backend={backend}")
    told = refused(nothing, cpus(7.0), check_trial)
    assert told.startswith("fleet.cpus_per_actor=0: a trial must reserve something (fix: fleet.cpus")
    check_cluster(nothing, cpus(7.0))  # A run of its own may.
    check_trial(config(tmp_path, "fleet.cpus_per_actor=0", "fleet.gpus_per_actor=1"), [Node({"GPU": 1.0})])
    driver = ("fleet.backend=ray", "fleet.cpus_per_actor=0", "fleet.driver_cpus=1")
    check_trial(config(tmp_path, *driver), cpus(1.0))


@pytest.mark.parametrize("key", ["cpus_per_actor", "gpus_per_actor", "driver_cpus"])
def test_parts_that_ray_cannot_share_out_are_told(tmp_path, key):
    told = refused(
        config(tmp_path, "fleet.backend=ray", f"fleet.{key}=0.00001"), [Node({"CPU": 7, "GPU": 1})]
    )
    assert told == f"fleet.{key}=1e-05: Ray allocates in steps of 0.0001 (fix: fleet.{key}=0.0001)"
    check_cluster(config(tmp_path, "fleet.backend=ray", f"fleet.{key}=0.0001"), [Node({"CPU": 7, "GPU": 1})])


def test_an_actor_that_fits_no_node_is_told_though_the_sum_would_do(tmp_path):
    wide = config(tmp_path, "fleet.backend=ray", "fleet.num_actors=1", "fleet.cpus_per_actor=3")
    check_cluster(wide, cpus(1.0, 3.0))
    told = refused(wide, cpus(2.0, 2.0))
    assert "one client actor needs 3 CPU, the largest node has 2 (fix: fleet.cpus_per_actor)" in told
    driver = config(tmp_path, *RAY, "fleet.driver_cpus=3")
    assert "the driver needs 3 CPU, the largest node has 2.5 (fix: fleet.driver_cpus)" in refused(
        driver, cpus(2.5, 2.5)
    )


def test_actors_that_fit_in_sum_but_not_on_the_nodes_are_told(tmp_path):
    three = config(tmp_path, "fleet.backend=ray", "fleet.num_actors=3", "fleet.cpus_per_actor=2")
    check_cluster(three, cpus(4.0, 2.0))
    assert refused(three, cpus(3.0, 3.0)) == (
        "a run does not fit on the nodes, though it would in total: it needs 3 times 2 CPU, the nodes have "
        "3, 3 CPU: room for 2 client actors (fix: fleet.num_actors=2, fleet.cpus_per_actor)"
    )
    each = config(tmp_path, "fleet.backend=ray", "fleet.actor_per_device=true", "fleet.cpus_per_actor=2")
    assert "fleet.actor_per_device=false and fleet.num_actors=5" in refused(each, cpus(5.0, 5.0, 2.0))


def test_parts_of_gpus_that_fit_in_sum_are_told(tmp_path):
    three = config(tmp_path, *RAY, "fleet.gpus_per_actor=0.6")
    check_cluster(three, [Node({"CPU": 4, "GPU": 3})])
    told = refused(three, [Node({"CPU": 4, "GPU": 2})])
    assert "the nodes have 4 CPU and the nodes have 2 GPU (a part lies on one GPU): room for 2" in told
    apart = config(tmp_path, "fleet.cpus_per_actor=2", "fleet.gpus_per_actor=1")
    assert "no room for both on one of them" in refused(apart, [Node({"CPU": 4}), Node({"CPU": 1, "GPU": 1})])


def test_this_machine_offers_what_ray_finds_or_is_told():
    assert this_machine(3).resources["CPU"] == 3
    assert this_machine().resources["CPU"] >= 1
