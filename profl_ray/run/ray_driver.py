"""A run on Ray: its driver actor is started, followed to its end, and started again where it is lost."""

import time
from collections.abc import Callable
from contextlib import AbstractContextManager
from dataclasses import replace
from itertools import count
from typing import Any

from profl_ray.cluster.demand import run_shortage
from profl_ray.cluster.nodes import alive_nodes
from profl_ray.cluster.ray_session import ray_session
from profl_ray.cluster.resources import check_cluster
from profl_ray.cluster.waiting import Waiting
from profl_ray.config import ExperimentConfig
from profl_ray.errors import UserError
from profl_ray.run.driver import check_runnable
from profl_ray.run.identity import RunIdentity
from profl_ray.server.record import RoundRecord
from profl_ray.server.run_folder import RunFolder
from profl_ray.signals import Interrupted
from profl_ray.tracking import end_waiting

MAX_LOST_DRIVERS = 3
"""Driver actors of one run that may be lost before it gives up."""

FOLLOW_SECONDS = 0.2
"""How often a run's driver is asked for its new rounds: so late they are shown, and a Ctrl-C is heard."""


def run_on_ray(
    config: ExperimentConfig,
    identity: RunIdentity,
    begin: Callable[[], None],
    on_round: Callable[[RoundRecord], None],
    stopping: Callable[[Callable[[], object]], AbstractContextManager[None]],
    say: Callable[[str], object] = lambda text: None,
) -> dict[str, Any]:
    """Run a driver actor to its end and return the summary; one that is lost is started again.

    Calls `begin` once it is known that the run can be made, `on_round` with each record. `stopping` is given
    the driver's `stop`, which raises Interrupted where no round is being played, and wraps the training, so
    that its caller says what stops a run. `say` is told, after some seconds, what actors wait for. Raises
    UserError for what the driver refuses, and where the driver finds no room within
    `fleet.start_timeout_seconds`; KeyboardInterrupt if the run is stopped before that.
    """
    check_runnable(config)  # Mistakes show before Ray is started.
    with ray_session():
        check_cluster(config, alive_nodes())
        begin()
        follower = _Follower(config, identity, on_round, say)
        try:
            with stopping(follower.stop):
                result = follower.follow()
        except KeyboardInterrupt:
            follower.end_at_once()
            raise
        if isinstance(result, Exception):
            raise result
        return result


class _Follower:
    """Follows a driver actor to its end; starts another one in the place of one that was lost."""

    def __init__(
        self,
        config: ExperimentConfig,
        identity: RunIdentity,
        on_round: Callable[[RoundRecord], None],
        say: Callable[[str], object],
    ) -> None:
        self.config = config
        self.identity = identity
        self.on_round = on_round
        self.waiting = Waiting(say, lambda: run_shortage(config))
        self.driver = self._start_driver()
        self.stopped = False
        self.plays = False
        """Whether there may be a round that a stop would wait for."""
        self.num_seen: int | None = None
        """Rounds that were told, or were there before; None: not known yet."""

    def _start_driver(self) -> Any:
        # Late: it brings Ray.
        from profl_ray.run.driver_actor import start_driver

        return start_driver(self.config, self.identity)

    def stop(self) -> None:
        """Let the driver end after its round; Interrupted if it plays none yet."""
        if not self.plays:
            raise Interrupted
        self.stopped = True
        self.driver.stop.remote()

    def end_at_once(self) -> None:
        """Kill the driver and say so in MLflow: it cannot itself any more."""
        import ray

        ray.kill(self.driver)
        folder = RunFolder(self.identity.folder)
        if self.identity.uri is not None and folder.exists:
            end_waiting(self.identity.uri, str(folder.facts()["mlflow_run_id"]), also_running=True)

    def follow(self) -> dict[str, Any] | Exception:
        from profl_ray.fleet.crew import LOST, last_line

        for num_lost in count():
            try:
                return self._follow_one()
            except LOST as error:
                if getattr(error, "actor_init_failed", False):  # So would the next one.
                    raise UserError(f"the driver actor cannot start: {last_line(error)}") from error
                if num_lost == MAX_LOST_DRIVERS:
                    raise RuntimeError(
                        f"{num_lost + 1} driver actors were lost, the last: {error}"
                    ) from error
                # The state is on the disk; the lost one may still hold the run for a moment.
                self.identity = replace(self.identity, patience_seconds=60.0)
                self.driver = self._start_driver()
                if self.stopped:
                    self.driver.stop.remote()
        raise AssertionError("unreachable")

    def _await_driver(self) -> None:
        """Return when the driver actor is there; it may have to wait for its CPUs."""
        import ray

        seconds = self.config.fleet.start_timeout_seconds
        there, deadline = self.driver.status.remote(), time.monotonic() + seconds
        while not ray.wait([there], timeout=FOLLOW_SECONDS)[0]:
            self.waiting.look()
            if self.stopped:  # Before the last driver was lost: this one need not begin.
                raise Interrupted
            if time.monotonic() >= deadline:
                why = run_shortage(self.config) or "is there memory for it?"
                ray.kill(self.driver)
                raise UserError(
                    f"the driver actor did not start within fleet.start_timeout_seconds={seconds:g}: {why} "
                    "(fleet.driver_cpus)"
                )
        ray.get(there)

    def _follow_one(self) -> dict[str, Any] | Exception:
        import ray

        self.waiting.reset()
        self.plays = False
        self._await_driver()
        done, ended = self.driver.fit.remote(), False
        while not ended:
            ready, _ = ray.wait([done], timeout=FOLLOW_SECONDS)
            ended = bool(ready)
            self.num_seen, records = ray.get(self.driver.rounds_since.remote(self.num_seen))
            for record in records:
                self.on_round(RoundRecord.from_json(record))
            self.plays = self.num_seen is not None
            if not self.plays:  # Its client actors are not all there yet.
                self.waiting.look()
        result: dict[str, Any] | Exception = ray.get(done)
        return result
