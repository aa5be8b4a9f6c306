"""profl-ray: the driver in this process, two client actors on a local Ray, MLflow off."""

import sys
from collections.abc import Callable
from importlib.metadata import version
from pathlib import Path
from time import perf_counter, time_ns
from typing import Any

from family import configure, load_unpadded, register
from workload import Files, prepared, tell

from profl_ray.cluster.environment import prepare_environment

prepare_environment()  # Ray, which the next lines import, reads it then.

import ray  # noqa: E402

from profl_ray.cluster.ray_session import ray_session  # noqa: E402
from profl_ray.fleet import ray_fleet  # noqa: E402
from profl_ray.fleet.client_actor import ClientActor  # noqa: E402
from profl_ray.run import driver as driving  # noqa: E402
from profl_ray.server import experiment as experiments  # noqa: E402


class PeerActor(ClientActor):
    """A client actor that knows the benchmark's family."""

    def __init__(self, *arguments: Any) -> None:
        register()
        super().__init__(*arguments)


def find_facts(folder: Path) -> None:
    """Find out what the driver must know of the model, as the process that starts a run does."""
    register()
    assemble = experiments.assemble
    driving.assemble = lambda config: assemble(config, load_unpadded)
    driving.check_runnable(configure(Files(folder).workload, folder / "runs"))


def main(before_the_end: Callable[[], None] = lambda: None) -> None:
    """Play the rounds; `before_the_end` is called while Ray still runs."""
    files = prepared()
    root = Path(sys.argv[1]) / "runs"
    config = configure(files.workload, root, **dict(pair.split("=") for pair in sys.argv[2:]))
    del files
    register()
    assemble = experiments.assemble
    driving.assemble = lambda config: assemble(config, load_unpadded)
    ray_fleet.RemoteClientActor = ray.remote(PeerActor)
    name = f"run-{time_ns()}"
    seconds, local = [], []
    with ray_session(num_cpus=2):
        driver = driving.Driver(config, driving.RunIdentity(root / name, name))
        train = driver.fleet.train

        def told(*arguments: Any) -> Any:
            for result in train(*arguments):
                local[-1] += sum(report.seconds for report in result.reports)
                yield result

        driver.fleet.train = told
        try:
            while not driver.finished:
                local.append(0.0)
                started = perf_counter()
                record = driver.play_round()
                seconds.append(perf_counter() - started)
            before_the_end()
            driver.close("FINISHED")
        finally:
            driver.fleet.close()
    # The last round holds the evaluation, which the others do apart.
    tell(seconds=seconds[:-1], local=local[:-1], accuracy=record.test_accuracy, version=version("profl-ray"))


if __name__ == "__main__":
    main()
