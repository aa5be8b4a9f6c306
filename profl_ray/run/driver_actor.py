"""The driver as a Ray actor: it trains in one thread and answers `status` and `stop` in another."""

from typing import Any

import ray

from profl_ray.cluster.environment import prepare_environment
from profl_ray.config import ExperimentConfig
from profl_ray.errors import UserError
from profl_ray.run.driver import Driver
from profl_ray.run.identity import RunIdentity


class DriverActor:
    """Runs a Driver. `fit` trains; `status`, `rounds_since` and `stop` answer meanwhile."""

    def __init__(self, config: ExperimentConfig, identity: RunIdentity) -> None:
        prepare_environment()
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
        """Return the state of the run."""
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
