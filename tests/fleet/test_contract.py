"""The contract of every fleet: the same weights and the same records, bit for bit, whichever actor trains."""

import time
from contextlib import closing
from dataclasses import replace

import numpy as np
import pytest

from profl_ray.errors import UserError
from profl_ray.fleet.build import build_fleet
from profl_ray.fleet.in_process import InProcessFleet
from profl_ray.server.rounds import Server
from profl_ray.training import EvaluationSum

from .kit import NUM_ROUNDS, eventually, is_running, kill, play

RAY = pytest.mark.ray
FLEETS = {
    "in_process": {"backend": "in_process"},
    "ray_1": {"backend": "ray", "num_actors": 1},
    "ray_2": {"backend": "ray", "num_actors": 2},
    "ray_3": {"backend": "ray", "num_actors": 3},
    "actor_per_device": {"backend": "ray", "actor_per_device": True},
}
PARAMS = [pytest.param(name, marks=[] if name == "in_process" else [RAY]) for name in FLEETS]


@pytest.fixture
def start(request, experiment):
    """Return a function that starts the fleet called so, and ends it after the test."""
    started = []

    def start_fleet(name, **changes):
        if name != "in_process":
            request.getfixturevalue("local_ray")
        options = experiment.config.fleet.model_copy(update=FLEETS[name] | changes)
        config = experiment.config.model_copy(update={"fleet": options})
        started.append(build_fleet(replace(experiment, config=config)))
        return started[-1]

    yield start_fleet
    for fleet in started:
        fleet.close()


def pids_of(fleet):
    import ray

    return ray.get([actor.ping.remote() for actor in fleet.crew.actors], timeout=60)


@pytest.mark.parametrize("name", PARAMS)
def test_every_fleet_gives_the_same_run(name, start, experiment, reference):
    fleet = start(name)
    digest, records = play(experiment, fleet)
    assert len(records) == NUM_ROUNDS and all(record.trained for record in records)
    assert records == reference[1]
    assert digest == reference[0]
    # Once more with the same actors: what they hold of the last run does not show.
    server = Server(experiment, fleet)
    assert replace(server.play_round(), seconds=0.0) == records[0]
    state = server.strategy.evaluation()
    whole = InProcessFleet(experiment).evaluate(state, 200, 70)
    assert fleet.evaluate(state, 200, 70) == whole
    assert isinstance(whole, EvaluationSum) and whole.num_examples == 200
    assert list(fleet.train([], server.strategy.plan().states)) == []


@pytest.mark.parametrize("name", ["in_process", pytest.param("ray_2", marks=RAY)])
def test_every_fleet_evaluates_the_validation_part_alike(name, request, experiment):
    if name != "in_process":
        request.getfixturevalue("local_ray")
    options = experiment.config.fleet.model_copy(update=FLEETS[name])
    config = experiment.config.model_copy(update={"fleet": options})
    split = replace(experiment.split, validation=np.arange(0, 600, 3))
    kept = replace(experiment, config=config, split=split)
    here = InProcessFleet(kept)
    with closing(build_fleet(kept)) as fleet:
        state = Server(kept, fleet).strategy.evaluation()
        found = fleet.evaluate(state, 200, 70, "validation")
        assert found == here.evaluate(state, 200, 70, "validation") != here.evaluate(state, 200, 70)
        assert fleet.evaluate(state, 200, 70, "test") == here.evaluate(state, 200, 70)


@RAY
def test_an_actor_that_dies_while_it_trains_changes_nothing(start, experiment, reference, monkeypatch):
    import ray

    fleet = start("ray_2")
    before = pids_of(fleet)
    assert len(set(before)) == 2
    wait, armed, killed = ray.wait, [], []

    def wait_and_kill(refs, **options):
        if armed:
            assert len(refs) > 1, "groups have been given out"
            time.sleep(0.02)
            kill(armed[0])
            killed.append(armed.pop())
        return wait(refs, **options)

    monkeypatch.setattr(ray, "wait", wait_and_kill)

    def before_round(number):
        if number in (2, 5):  # rounds that measure nothing: their first call is to train
            armed.append(pids_of(fleet)[number % 2])

    digest, records = play(experiment, fleet, before_round)
    assert records == reference[1]
    assert digest == reference[0]
    after = pids_of(fleet)
    assert len(killed) == 2 and len(set(after)) == 2 and not set(after) & set(killed)


@RAY
def test_a_fleet_that_loses_every_actor_again_and_again_gives_up(start, experiment, monkeypatch):
    from profl_ray.fleet import crew

    monkeypatch.setattr(crew, "MAX_LOSSES", 0)
    fleet = start("ray_1")
    kill(pids_of(fleet)[0])
    with pytest.raises(RuntimeError, match="1 client actors were lost in one call"):
        Server(experiment, fleet).play_round()


@RAY
def test_an_error_of_the_work_is_not_taken_for_a_lost_actor(start, experiment):
    fleet = start("ray_1")
    state = Server(experiment, fleet).strategy.evaluation()
    (pid,) = pids_of(fleet)
    with pytest.raises(AssertionError, match="does not fit a layout"):
        fleet.evaluate(replace(state, down=state.down[:-1]), 10, 10)
    assert pids_of(fleet) == [pid]


@RAY
def test_closing_ends_the_actors(start):
    fleet = start("ray_1")
    pids = pids_of(fleet)
    assert all(is_running(pid) for pid in pids)
    fleet.close()
    fleet.close()
    eventually(lambda: not any(is_running(pid) for pid in pids))


@RAY
@pytest.mark.parametrize(
    ("name", "changes", "words"),
    [
        ("ray_3", {"cpus_per_actor": 2.0}, "6 CPU (driver and 3 client actors), the cluster has 4 "),
        (
            "actor_per_device",
            {"cpus_per_actor": 1.0},
            "6 CPU (driver and 6 client actors), the cluster has 4 ",
        ),
        ("ray_2", {"gpus_per_actor": 64.0}, "128 GPU (driver and 2 client actors), the cluster has "),
    ],
)
def test_a_cluster_that_is_too_small_is_told_with_the_numbers(start, name, changes, words):
    with pytest.raises(UserError) as caught:
        start(name, **changes)
    message = str(caught.value)
    assert (
        message.startswith(f"the cluster is too small: a run needs {words}")
        and len(message.splitlines()) == 1
    )
    assert "fleet.num_actors" in message


@RAY
def test_actors_that_cannot_start_in_time_are_told(start):
    with pytest.raises(UserError, match=r"did not start within fleet\.start_timeout_seconds=0\.001"):
        start("ray_1", start_timeout_seconds=0.001)
