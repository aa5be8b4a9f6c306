"""Who follows a driver actor, without one."""

from types import SimpleNamespace

import pytest

from profl_ray.run import ray_driver
from profl_ray.run.driver import RunIdentity
from profl_ray.signals import Interrupted


@pytest.fixture
def follower(monkeypatch, tmp_path):
    """A follower whose driver notes that it is to stop."""
    stops = []
    driver = SimpleNamespace(stop=SimpleNamespace(remote=lambda: stops.append(1)), stops=stops)
    monkeypatch.setattr(ray_driver._Follower, "_start_driver", lambda self: driver)
    identity = RunIdentity(tmp_path / "run", "run")
    return ray_driver._Follower(SimpleNamespace(), identity, lambda record: None, lambda line: None)


def test_a_stop_waits_for_a_round_only_where_one_is_played(follower):
    with pytest.raises(Interrupted):
        follower.stop()
    assert not follower.driver.stops and not follower.stopped
    follower.plays = True
    follower.stop()
    assert follower.driver.stops and follower.stopped
