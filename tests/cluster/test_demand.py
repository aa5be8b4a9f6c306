"""What actors and trials wait for while others hold it, as Ray itself tells."""

import re
import signal
from contextlib import nullcontext

import pytest
from fleet.kit import NUM_ROUNDS, eventually, short_config

from profl_ray.errors import UserError
from profl_ray.run.driver import RunIdentity

pytestmark = pytest.mark.ray


@pytest.fixture
def hold(local_ray):
    """Return a function that holds CPUs as another job's actor does, and returns how to give them back."""
    import ray

    class Holder:
        def ping(self):
            """Answer."""

    actors = []

    def hold_cpus(number):
        actors.append(ray.remote(Holder).options(num_cpus=number).remote())
        ray.get(actors[-1].ping.remote(), timeout=60)
        return lambda: ray.kill(actors[-1])

    yield hold_cpus
    for actor in actors:
        ray.kill(actor)


def test_a_run_says_what_its_client_actors_wait_for_and_continues_when_it_is_free(
    hold, root, tmp_path, reference
):
    from profl_ray.cluster import waiting
    from profl_ray.run.ray_driver import run_on_ray

    release, said, records = hold(3), [], []

    def say(line):
        said.append(line)
        release()

    config = short_config(root, "fleet.backend=ray", "fleet.num_actors=2", "fleet.cpus_per_actor=1")
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(waiting, "FIRST_SECONDS", 0.5)
        summary = run_on_ray(
            config,
            RunIdentity(tmp_path / "run", "run"),
            lambda: None,
            records.append,
            lambda stop: nullcontext(),
            say,
        )
    (line,) = said
    assert re.fullmatch(r"waiting for [12] CPU: the cluster has 4, [1-3] of them held by others", line)
    assert summary["weights_sha256"] == reference[0] and len(records) == NUM_ROUNDS


def test_a_driver_that_finds_no_room_in_time_is_told(hold, root, tmp_path):
    from profl_ray.run.ray_driver import run_on_ray

    hold(3)
    options = ("fleet.backend=ray", "fleet.driver_cpus=2", "fleet.start_timeout_seconds=4")
    with pytest.raises(UserError) as told:
        run_on_ray(
            short_config(root, *options),
            RunIdentity(tmp_path / "run", "run"),
            lambda: None,
            lambda record: None,
            lambda stop: nullcontext(),
        )
    assert str(told.value) == (
        "the driver actor did not start within fleet.start_timeout_seconds=4: waiting for 2 CPU: the cluster "
        "has 4, 3 of them held by others (fleet.driver_cpus)"
    )


def test_ctrl_c_while_the_driver_waits_promises_no_round(hold, root, tmp_path, capsys):
    from profl_ray.cli.run import stop_on_signal
    from profl_ray.cluster import waiting
    from profl_ray.run.ray_driver import run_on_ray

    hold(3)
    with pytest.MonkeyPatch.context() as patch, pytest.raises(KeyboardInterrupt):
        patch.setattr(waiting, "FIRST_SECONDS", 0.5)
        run_on_ray(
            short_config(root, "fleet.backend=ray", "fleet.driver_cpus=2"),
            RunIdentity(tmp_path / "run", "run"),
            lambda: None,
            lambda record: None,
            stop_on_signal,
            lambda line: signal.raise_signal(signal.SIGINT),
        )
    assert capsys.readouterr().err == "interrupted\n"
    assert not (tmp_path / "run").exists()


def test_a_sweep_says_what_its_trials_wait_for(hold):
    import ray

    from profl_ray.cluster.demand import trial_shortage

    assert trial_shortage() == ""
    release = hold(1)
    groups = [ray.util.placement_group([{"CPU": 2.0}] * number) for number in (3, 2)]
    try:
        words = "waiting for 4 CPU: the cluster has 4, 1 of them held by others"
        eventually(lambda: trial_shortage() == words)
        release()
        assert groups[1].wait(30)
        assert trial_shortage() == "", "one can begin"
    finally:
        for group in groups:
            ray.util.remove_placement_group(group)
