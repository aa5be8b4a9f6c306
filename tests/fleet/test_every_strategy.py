"""Every strategy trains the same weights on Ray as in one process, bit for bit, with the same metrics."""

import pickle
from contextlib import closing
from dataclasses import replace

import pytest
from training.kit import Counting

from profl_ray.fleet.build import build_fleet
from profl_ray.fleet.in_process import InProcessFleet
from profl_ray.server.experiment import assemble
from profl_ray.tuning.comparison import METHODS

from .kit import kill, play, short_config

SKEWED = (
    "strategy.rounds=3",
    # Devices of every kind, and an evaluation in the middle: widths survey the cohort before it.
    "federation.quotas.name=levels",
    "federation.quotas.fractions=[1.1,0.7,0.5]",
    "federation.quotas.shares=[0.34,0.33,0.33]",
    "evaluation.every_rounds=2",
)
# Two actors, so that groups end in any order; test_contract.py has more fleets, for one strategy.
TWO_ACTORS = {"backend": "ray", "num_actors": 2}


NONE_KEPT = "profl, no features kept"
EVAL = {"strategy.name": "profl", "strategy.profl.frozen_bn": "eval"}
VARIANTS = METHODS | {
    "profl, kept features": EVAL,
    # In one process the first round of each device computes them, here two actors share what they compute.
    NONE_KEPT: EVAL | {"fleet.features_mib": 0},
}


def made(root, variant):
    settings = [f"{key}={value}" for key, value in VARIANTS[variant].items()]
    return assemble(short_config(root, *SKEWED, *settings))


def on_two_actors(experiment):
    fleet = experiment.config.fleet.model_copy(update=TWO_ACTORS)
    config = experiment.config.model_copy(update={"fleet": fleet})
    return closing(build_fleet(replace(experiment, config=config)))


@pytest.fixture(scope="module")
def one_fleet(local_ray, root):
    """The experiment of one variant and its fleet, which trains the others, too: it knows no strategy."""
    experiment = made(root, "ideal")
    with on_two_actors(experiment) as fleet:
        yield experiment, fleet


def assert_alike(one, other):
    """Assert that a fleet for the one is a fleet for the other: the same devices, data and settings."""
    assert one.config.fleet == other.config.fleet and one.worker_settings() == other.worker_settings()
    assert one.config.federation.num_devices == other.config.federation.num_devices
    for left, right in ((one.data, other.data), (one.split, other.split)):
        assert pickle.dumps(left) == pickle.dumps(right)


@pytest.mark.ray
@pytest.mark.parametrize("variant", [variant for variant in VARIANTS if variant != NONE_KEPT])
def test_ray_trains_the_same_weights(variant, root, one_fleet):
    """Also after whatever strategies the same actors have trained before."""
    experiment, (first, on_ray) = made(root, variant), one_fleet
    assert_alike(experiment, first)
    expected = play(experiment, InProcessFleet(experiment))
    assert play(experiment, on_ray) == expected
    assert on_ray.crew.num_lost == 0


@pytest.mark.ray
def test_ray_trains_the_same_weights_where_no_features_are_kept(root, local_ray):
    experiment = made(root, NONE_KEPT)
    expected = play(experiment, InProcessFleet(experiment))
    with on_two_actors(experiment) as on_ray:
        assert play(experiment, on_ray) == expected


@pytest.mark.ray
def test_what_devices_keep_is_the_same_on_ray_also_when_actors_die(root, local_ray):
    import ray
    from training import kit

    ray.cloudpickle.register_pickle_by_value(kit)  # Actors cannot import what lies among the tests.
    experiment = assemble(short_config(root, "strategy.name=fedavg", "strategy.rounds=4"))

    def count(server):
        task = server.strategy.task
        procedure = Counting(1, task.batch_size, task.procedure.optimizer, num_classes=10)
        server.strategy.task = replace(task, procedure=procedure)

    expected = play(experiment, InProcessFleet(experiment), prepare=count)
    assert expected[0] != play(experiment, InProcessFleet(experiment))[0], "nothing would be kept"
    with on_two_actors(experiment) as on_ray:

        def kill_one(number):
            if number > 2:
                kill(ray.get(on_ray.crew.actors[0].ping.remote()))

        assert play(experiment, on_ray, kill_one, count) == expected
        assert on_ray.crew.num_lost == 2
