"""The driver as a Ray actor: it trains in one thread and answers `status` and `stop` in another."""

from typing import Any

import ray

from profl_ray.config import ExperimentConfig
from profl_ray.errors import UserError
from profl_ray.fleet.driver import Driver, RunIdentity


class DriverActor:
    """Runs a Driver. `open` and `fit` train; `status`, `records` and `stop` answer meanwhile."""

    def __init__(self, config: ExperimentConfig, identity: RunIdentity) -> None:
        self.config = config
        self.identity = identity
        self.driver: Driver | None = None
        self.stopping = False

    @ray.method(concurrency_group="train")
    def fit(self) -> dict[str, Any] | str:
        """Run to the end and return the summary; a user's mistake comes back as its one line."""
        try:
            self.driver = Driver(self.config, self.identity)
        except UserError as error:
            return str(error)
        if self.stopping:
            self.driver.stop()
        return self.driver.run()

    @ray.method(concurrency_group="answer")
    def status(self) -> dict[str, Any]:
        """Return how the run stands."""
        return self.driver.status() if self.driver else {"name": self.identity.name, "last": None}

    @ray.method(concurrency_group="answer")
    def rounds_since(self, rounds: int) -> list[dict[str, Any]]:
        """Return the records after the first `rounds`."""
        records = self.driver.records[rounds:] if self.driver else []
        return [record.to_json() for record in records]

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
