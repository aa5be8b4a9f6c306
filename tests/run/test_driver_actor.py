import pytest
from fleet.kit import NUM_ROUNDS, eventually, short_config

from profl_ray.errors import Unaffordable
from profl_ray.run.driver import RunIdentity
from profl_ray.server.run_folder import RunFolder

pytestmark = pytest.mark.ray


@pytest.fixture
def start(local_ray, tmp_path):
    """Return a function that starts a driver actor; it is ended after the test."""
    import ray

    from profl_ray.run.driver_actor import start_driver

    actors = []

    def start_actor(config):
        actors.append(start_driver(config, RunIdentity(tmp_path / "run", "run")))
        return actors[-1]

    yield start_actor
    for actor in actors:
        ray.kill(actor)


def test_it_answers_while_it_trains_and_stops_after_the_round(start, root, tmp_path):
    import ray

    actor = start(short_config(root, "freezing.rounds=1000", "freezing.max_rounds=1000"))
    assert ray.get(actor.status.remote(), timeout=60) == {"name": "run", "last": None}
    done = actor.fit.remote()

    def rounds():
        last = ray.get(actor.status.remote(), timeout=60)["last"]
        return last["round"] if last else 0

    eventually(lambda: rounds() >= 2, seconds=90)
    assert not ray.wait([done], timeout=0)[0], "it is still training"
    ray.get(actor.stop.remote(), timeout=10)
    summary = ray.get(done, timeout=60)
    assert not summary["finished"] and 2 <= summary["rounds"] < 1000
    number, records = ray.get(actor.rounds_since.remote(0))
    assert number == summary["rounds"]
    assert [record["round"] for record in records] == list(range(1, summary["rounds"] + 1))
    assert ray.get(actor.rounds_since.remote(number - 1)) == (number, records[-1:])
    assert ray.get(actor.rounds_since.remote(None)) == (number, records), "none were there before"
    saved = RunFolder(tmp_path / "run").latest().records
    assert [record.to_json() for record in saved] == records


def test_it_has_client_actors_of_its_own(start, root, reference):
    import ray

    config = short_config(root, "fleet.backend=ray", "fleet.num_actors=2")
    actor = start(config)
    summary = ray.get(actor.fit.remote(), timeout=120)
    assert summary["weights_sha256"] == reference[0] and summary["rounds"] == NUM_ROUNDS
    assert ray.get(actor.status.remote())["finished"]


def test_a_stop_that_comes_before_the_run_is_kept(start, root):
    import ray

    actor = start(short_config(root))
    ray.get(actor.stop.remote(), timeout=60)
    summary = ray.get(actor.fit.remote(), timeout=120)
    assert not summary["finished"] and "rounds" not in summary


def test_a_users_mistake_comes_back_as_its_line(start, root, tmp_path):
    import ray

    quotas = ("federation.quotas.low_fraction=0.01", "federation.quotas.high_fraction=0.02")
    actor = start(short_config(root, *quotas))
    result = ray.get(actor.fit.remote(), timeout=120)
    assert isinstance(result, Unaffordable) and str(result).startswith("no device can train step")
    assert len(str(result).splitlines()) == 1
    assert not (tmp_path / "run").exists()
