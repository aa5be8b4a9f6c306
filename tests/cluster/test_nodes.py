"""Several nodes, each with client actors: the same weights. (What happens when one dies: tests/faults.)"""

from contextlib import closing
from dataclasses import replace

import pytest
from fleet.kit import play

from profl_ray.fleet.build import build_fleet

# A cluster of its own.
pytestmark = [pytest.mark.ray, pytest.mark.usefixtures("no_ray")]


def test_three_nodes_train_the_same_weights(experiment, reference):
    import ray
    from ray.cluster_utils import Cluster

    cluster = Cluster(initialize_head=True, head_node_args={"num_cpus": 0, "include_dashboard": False})
    try:
        for _ in range(3):
            cluster.add_node(num_cpus=1)
        ray.init(address=cluster.address, log_to_driver=False, logging_level="ERROR")
        # One CPU an actor and a node: each actor has a node of its own.
        options = {"backend": "ray", "num_actors": 3, "cpus_per_actor": 1.0}
        fleet_config = experiment.config.fleet.model_copy(update=options)
        config = experiment.config.model_copy(update={"fleet": fleet_config})
        with closing(build_fleet(replace(experiment, config=config))) as fleet:
            assert play(experiment, fleet) == reference
    finally:
        ray.shutdown()
        cluster.shutdown()
