"""A device that needs more than its quota, in a real client actor: it fails alone, the actor goes on."""

from contextlib import closing
from dataclasses import replace
from types import SimpleNamespace

import pytest
from training.kit import SETTINGS, make_data, make_order, make_split, make_state
from training.test_worker import HOSTILE

from profl_ray.config import load_experiment
from profl_ray.fleet.in_process import InProcessFleet
from profl_ray.fleet.ray_fleet import RayFleet
from profl_ray.memory import Demand
from profl_ray.training import DeviceOrder


def an_experiment():
    """Device 0 has 1000 images in one batch, device 1 has 20."""
    config = load_experiment("digits_tiny", ["fleet.cpus_per_actor=0.1"])
    return SimpleNamespace(
        config=config,
        data=make_data(num_train=1020),
        split=make_split(1000, 20),
        worker_settings=lambda: replace(SETTINGS, overhead_mib=2.0),
    )


@pytest.mark.ray
def test_the_cap_stops_a_device_alone_and_its_actor_continues(local_ray):
    import ray

    experiment, state = an_experiment(), make_state(HOSTILE)
    # Its demand says 1 MiB, so that neither prediction nor measurement refuses it: only the cap is left.
    order = make_order(0, quota_mib=4.0, demand=Demand(1.0, 1.0))
    order = replace(order, devices=(*order.devices, DeviceOrder(1, 0, float("inf"), Demand(1.0, 1.0))))
    alone = replace(order, devices=order.devices[1:])
    (expected,) = InProcessFleet(experiment).train([alone], [state])
    with closing(RayFleet(experiment)) as fleet:
        before = ray.get(fleet.crew.actors[0].ping.remote(), timeout=60)
        for _ in range(2):
            (result,) = fleet.train([order], [state])
            stopped, trained = result.reports
            for words in ("device 0", "grow 1", "quota 4.00 MiB", "stopped by the cap"):
                assert words in stopped.failure
            assert trained.failure is None
            assert (result.sums[0].total == expected.sums[0].total).all()
        assert ray.get(fleet.crew.actors[0].ping.remote(), timeout=60) == before, "the same process"
