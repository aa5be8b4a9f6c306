"""The driver as a Ray actor: it trains in one thread and answers `status` and `stop` in another."""

import time
from collections.abc import Callable
from contextlib import AbstractContextManager
from dataclasses import replace
from itertools import count
from typing import Any

import ray

from profl_ray.cluster.demand import run_shortage
from profl_ray.cluster.ray_session import ray_session
from profl_ray.cluster.resources import alive_nodes, check_cluster
from profl_ray.cluster.waiting import Waiting
from profl_ray.config import ExperimentConfig
from profl_ray.errors import UserError
from profl_ray.fleet.crew import LOST
from profl_ray.run.driver import Driver, RunIdentity, check_runnable
from profl_ray.server.record import RoundRecord
from profl_ray.server.run_folder import RunFolder
from profl_ray.tracking import end_waiting

MAX_LOST_DRIVERS = 3
"""Driver actors of one run that may be lost before it gives up."""

FOLLOW_SECONDS = 0.2
"""How often a run's driver is asked for its new rounds: so late they are shown, and a Ctrl-C is heard."""


class DriverActor:
    """Runs a Driver. `fit` trains; `status`, `rounds_since` and `stop` answer meanwhile."""

    def __init__(self, config: ExperimentConfig, identity: RunIdentity) -> None:
        self.config = config
        self.identity = identity
        self.driver: Driver | None = None
        self.stopping = False

    @ray.method(concurrency_group="train")
    def fit(self) -> dict[str, Any] | UserError | OSError:
        """Run to the end and return the summary; a user's mistake, or the system's, comes back as it is."""
        try:
            self.driver = Driver(self.config, self.identity)
            if self.stopping:
                self.driver.stop()
            return self.driver.run()
        except (UserError, OSError) as error:
            # Raised, it would arrive inside an error of Ray's, whose text is a traceback.
            return error

    @ray.method(concurrency_group="answer")
    def status(self) -> dict[str, Any]:
        """Return how the run stands."""
        return self.driver.status() if self.driver else {"name": self.identity.name, "last": None}

    @ray.method(concurrency_group="answer")
    def rounds_since(self, rounds: int | None) -> tuple[int | None, list[dict[str, Any]]]:
        """Return how many rounds there are, and the records after the first `rounds`.

        None: after those that were there when this driver began; so few there are if it has not begun yet.
        """
        if self.driver is None:
            return rounds, []
        records = list(self.driver.records)
        first = self.driver.num_recovered if rounds is None else rounds
        return max(first, len(records)), [record.to_json() for record in records[first:]]

    @ray.method(concurrency_group="answer")
    def stop(self) -> None:
        """End after the current round."""
        self.stopping = True
        if self.driver:
            self.driver.stop()


def start_driver(config: ExperimentConfig, identity: RunIdentity) -> Any:
    """Start the driver actor of a run."""
    options: dict[str, Any] = {
        "num_cpus": config.fleet.driver_cpus,
        "concurrency_groups": {"train": 1, "answer": 2},
    }
    return ray.remote(**options)(DriverActor).remote(config, identity)


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
    the driver's `stop` and wraps the training, so that its caller says what stops a run. `say` is told, after
    some seconds, what actors wait for. Raises UserError for what the driver refuses, and where the driver
    finds no room within `fleet.start_timeout_seconds`; KeyboardInterrupt if the run is stopped before that.
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
        self.driver = start_driver(config, identity)
        self.stopped = False
        self.num_seen: int | None = None
        """Rounds that were told, or were there before; None: not known yet."""

    def stop(self) -> None:
        self.stopped = True
        self.driver.stop.remote()

    def end_at_once(self) -> None:
        """Kill the driver and say so in MLflow: it cannot itself any more."""
        ray.kill(self.driver)
        folder = RunFolder(self.identity.folder)
        if self.identity.uri is not None and folder.exists:
            end_waiting(self.identity.uri, str(folder.facts()["mlflow_run_id"]), also_running=True)

    def follow(self) -> dict[str, Any] | Exception:
        for num_lost in count():
            try:
                return self._follow_one()
            except LOST as error:
                if num_lost == MAX_LOST_DRIVERS:
                    raise RuntimeError(
                        f"{num_lost + 1} driver actors were lost, the last: {error}"
                    ) from error
                # The state is on the disk; the lost one may still hold the run for a moment.
                self.identity = replace(self.identity, patience_seconds=60.0)
                self.driver = start_driver(self.config, self.identity)
                if self.stopped:
                    self.driver.stop.remote()
        raise AssertionError("unreachable")

    def _await_driver(self) -> None:
        """Return when the driver actor is there; it may have to wait for its CPUs."""
        seconds = self.config.fleet.start_timeout_seconds
        there, deadline = self.driver.status.remote(), time.monotonic() + seconds
        while not ray.wait([there], timeout=FOLLOW_SECONDS)[0]:
            self.waiting.look()
            if self.stopped:  # Nothing has begun that could end after its round.
                raise KeyboardInterrupt
            if time.monotonic() >= deadline:
                why = run_shortage(self.config) or "is there memory for it?"
                ray.kill(self.driver)
                raise UserError(
                    f"the driver actor did not start within fleet.start_timeout_seconds={seconds:g}: {why} "
                    "(fleet.driver_cpus)"
                )
        ray.get(there)

    def _follow_one(self) -> dict[str, Any] | Exception:
        self.waiting.reset()
        self._await_driver()
        done, ended = self.driver.fit.remote(), False
        while not ended:
            ready, _ = ray.wait([done], timeout=FOLLOW_SECONDS)
            ended = bool(ready)
            self.num_seen, records = ray.get(self.driver.rounds_since.remote(self.num_seen))
            for record in records:
                self.on_round(RoundRecord.from_json(record))
            if self.num_seen is None:  # Its client actors are not all there yet.
                self.waiting.look()
        result: dict[str, Any] | Exception = ray.get(done)
        return result
