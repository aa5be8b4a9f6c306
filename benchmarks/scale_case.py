"""One case of `benchmarks/scale.py`, in a process of its own: its peak memory is the case's.

    python benchmarks/scale_case.py '{"num_devices": 10000, "backend": "ray"}'

Prints one JSON object. The federation is made up: random images, two a device.
"""

import json
import statistics
import sys
import threading
from collections import defaultdict
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import asdict, dataclass
from pathlib import Path
from time import perf_counter, sleep, time_ns
from typing import Any

import numpy as np


@dataclass(frozen=True)
class Case:
    """What is measured; one line of a table."""

    num_devices: int = 100
    cohort_size: int = 10
    backend: str = "in_process"
    num_actors: int = 2
    num_nodes: int = 0
    """Simulated nodes with one CPU each; 0: a plain local Ray."""
    cohort_groups: int = 8
    model: str = "cnn"
    width: float = 0.25
    image: tuple[int, int, int] = (1, 8, 8)
    num_examples: int = 200_000
    strategy: str = "profl"
    num_rounds: int = 5
    tracked: bool = False
    evaluate_every: int = 1
    sleep_seconds: float | None = None
    """Every device sleeps so long instead of training; None: it trains."""
    root: str = "scale-runs"


class Stopwatch:
    """Sums of seconds by label."""

    def __init__(self) -> None:
        self.seconds: dict[str, float] = defaultdict(float)

    @contextmanager
    def timing(self, label: str) -> Iterator[None]:
        """Add the seconds of the block."""
        started = perf_counter()
        try:
            yield
        finally:
            self.seconds[label] += perf_counter() - started

    def wrap(self, owner: Any, name: str, label: str) -> None:
        """Time every call of `owner.name` from now on; of a generator, every step."""
        inner = getattr(owner, name)

        def timed(*args: Any, **options: Any) -> Any:
            with self.timing(label):
                result = inner(*args, **options)
            return self._steps(result, label) if hasattr(result, "__next__") else result

        setattr(owner, name, timed)

    def _steps(self, results: Iterator[Any], label: str) -> Iterator[Any]:
        while True:
            with self.timing(label):
                try:
                    result = next(results)
                except StopIteration:
                    return
            yield result

    def lap(self) -> dict[str, float]:
        """Return the sums since the last lap."""
        seconds, self.seconds = dict(self.seconds), defaultdict(float)
        return seconds


class MemoryWatch:
    """Peak of this process's own memory (RssAnon: without what is shared), sampled every few ms."""

    def __init__(self) -> None:
        self.peak_anon_mib = 0.0
        threading.Thread(target=self._watch, daemon=True).start()

    def _watch(self) -> None:
        while True:
            self.peak_anon_mib = max(self.peak_anon_mib, read_mib("status", "RssAnon"))
            sleep(0.004)

    def reset(self) -> float:
        """Return the peak and begin anew."""
        peak, self.peak_anon_mib = self.peak_anon_mib, read_mib("status", "RssAnon")
        return max(peak, self.peak_anon_mib)


def read_mib(file: str, key: str) -> float:
    """Return a line of /proc/self/FILE in MiB."""
    for line in Path(f"/proc/self/{file}").read_text().splitlines():
        if line.startswith(f"{key}:"):
            return int(line.split()[1]) / 1024
    raise KeyError(key)


def made_up_data(case: Case) -> Callable[..., Any]:
    """Return a loader of random images."""
    from profl_ray.federation import image_examples

    generator = np.random.default_rng(1)
    count = max(case.num_examples, 2 * case.num_devices)

    def part(number: int) -> tuple[np.ndarray, np.ndarray]:
        return generator.integers(0, 256, (number, *case.image), np.uint8), np.arange(number) % 10

    data = image_examples(*part(count), *part(100), 10, "made up")
    return lambda _config: data


def configure(case: Case) -> Any:
    """Return the configuration of the case."""
    from profl_ray.config import load_experiment

    return load_experiment(
        "digits_tiny",
        [
            f"federation.num_devices={case.num_devices}",
            f"federation.cohort_size={case.cohort_size}",
            "federation.quotas.name=uniform_mb",
            "federation.quotas.low_mb=2000",
            "federation.quotas.high_mb=9000",
            "data.examples_per_device=2",
            f"model.name={case.model}",
            f"model.width={case.width}",
            "model.partition=stages",
            "training.local_epochs=1",
            "training.batch_size=2",
            f"strategy.name={case.strategy}",
            "strategy.rounds=1000",
            "freezing.name=fixed_rounds",
            "freezing.rounds=1000",
            "freezing.max_rounds=1000",
            "freezing.max_shrink_rounds=1000",
            f"evaluation.every_rounds={case.evaluate_every}",
            f"fleet.backend={case.backend}",
            f"fleet.num_actors={case.num_actors}",
            f"fleet.cohort_groups={case.cohort_groups}",
            f"fleet.cpus_per_actor={1.0 if case.num_nodes else 0.1}",
            f"storage.root={Path(case.root).resolve()}",
        ],
    )


@contextmanager
def ray_of(case: Case) -> Iterator[None]:
    """Start the Ray that the case needs, if any."""
    if case.backend != "ray":
        yield
        return
    from profl_ray.cluster.ray_session import ray_session

    if not case.num_nodes:
        with ray_session(num_cpus=2):
            yield
        return
    import ray
    from ray.cluster_utils import Cluster

    cluster = Cluster(initialize_head=True, head_node_args={"num_cpus": 0, "include_dashboard": False})
    try:
        for _ in range(case.num_nodes):
            cluster.add_node(num_cpus=1)
        ray.init(address=cluster.address, log_to_driver=False, logging_level="ERROR")
        yield
    finally:
        ray.shutdown()
        cluster.shutdown()


def let_devices_sleep(seconds: float) -> None:
    """Replace local training by sleep; orders, weights and sums travel as ever."""
    import ray

    from profl_ray.fleet import ray_fleet
    from profl_ray.fleet.client_actor import ClientActor
    from profl_ray.training import DeviceReport, GroupResult, TaskSum

    class SleepingActor(ClientActor):
        def train(self, order: Any, keys: Any, *arrays: np.ndarray) -> GroupResult:
            sums: dict[int, TaskSum] = {}
            reports = []
            for device in order.devices:
                sleep(seconds)
                task = device.task_index
                total = arrays[2 * task] * np.float32(2)
                if task in sums:
                    sums[task].add(TaskSum(total, 2))
                else:
                    sums[task] = TaskSum(total, 2)
                reports.append(DeviceReport(device.device, task, 2, 1.0, seconds))
            return GroupResult(order.index, sums, reports)

    ray_fleet.RemoteClientActor = ray.remote(SleepingActor)


def measure(case: Case) -> dict[str, Any]:
    """Start a driver, play the rounds and return what they took."""
    from profl_ray.run import driver as driving
    from profl_ray.server import experiment as experiments

    watch, memory = Stopwatch(), MemoryWatch()
    load = made_up_data(case)
    assemble = experiments.assemble
    driving.assemble = lambda config: assemble(config, load)
    watch.wrap(experiments, "split_examples", "split")
    watch.wrap(experiments.Experiment, "split_as_json", "split_as_json")
    watch.wrap(driving, "build_fleet", "fleet")
    watch.wrap(driving, "prepare_store", "mlflow")
    watch.wrap(driving, "log_setup", "log_setup")
    watch.wrap(driving.RunFolder, "begin", "begin")
    if case.sleep_seconds is not None:
        let_devices_sleep(case.sleep_seconds)
    config = configure(case)
    name = f"run-{time_ns()}"
    uri = f"sqlite:///{Path(case.root).resolve()}/mlflow.db" if case.tracked else None
    driving.check_runnable(config)  # The needs of the tasks are estimated once, and kept on the disk.
    watch.lap()
    base_anon_mib = memory.reset()
    with watch.timing("start"):
        driver = driving.Driver(config, driving.RunIdentity(Path(case.root).resolve() / name, name, uri))
    start = watch.lap()
    start_anon_mib = memory.reset()
    timed_parts(watch, driver)
    rounds = []
    try:
        for _ in range(case.num_rounds):
            with watch.timing("round"):
                driver.play_round()
            rounds.append(watch.lap())
        rounds_anon_mib = memory.reset()
        checkpoint = max(driver.folder.checkpoints_path.iterdir())
        checkpoint_bytes = sum(file.stat().st_size for file in checkpoint.iterdir())
        moving_bytes = sum(state.down.nbytes for state in driver.server.strategy.plan().states)
        pss_mib = read_mib("smaps_rollup", "Pss")
        with watch.timing("end"):
            driver.close("FINISHED")
    finally:
        driver.fleet.close()
    kept = rounds[1:] or rounds  # The first measures the peak of the task.
    for parts in kept:
        parts["travel"] = parts["train"] - sum(parts.get(name, 0.0) for name in ("local", "put", "get"))
    return {
        "case": asdict(case),
        "start": start,
        "round": {key: statistics.median(r.get(key, 0.0) for r in kept) for key in kept[0]},
        "end": watch.lap()["end"],
        "base_anon_mib": base_anon_mib,
        "start_anon_mib": start_anon_mib,
        "rounds_anon_mib": rounds_anon_mib,
        "pss_mib": pss_mib,
        "peak_rss_mib": read_mib("status", "VmHWM"),
        "checkpoint_bytes": checkpoint_bytes,
        "moving_bytes": moving_bytes,
        "partition_json_bytes": (driver.folder.path / "partition.json").stat().st_size,
    }


def timed_parts(watch: Stopwatch, driver: Any) -> None:
    """Time the parts of a round; on Ray, `add` is the server's adding up of the groups' sums."""
    from profl_ray.training import GroupResult

    train = driver.fleet.train

    def told(*args: Any) -> Iterator[Any]:
        for result in train(*args):
            watch.seconds["local"] += sum(report.seconds for report in result.reports)
            yield result

    driver.fleet.train = told
    for owner, name, label in (
        (GroupResult, "absorb", "add"),
        (driver.fleet, "train", "train"),
        (driver.fleet, "evaluate", "evaluate"),
        (driver.server.strategy, "plan", "plan"),
        (driver.server.strategy, "merge", "merge"),
        (driver.folder, "save", "save"),
        (driver.writer, "log_round", "log_round"),
    ):
        watch.wrap(owner, name, label)
    if hasattr(driver.fleet, "crew"):
        import ray

        from profl_ray.fleet import crew, ray_fleet

        watch.wrap(ray_fleet, "_put", "put")
        getting = type("Ray", (), dict(vars(ray)))
        watch.wrap(getting, "get", "get")
        crew.ray = getting


def main() -> None:
    """Measure the case of the command line."""
    values = json.loads(sys.argv[1])
    if "image" in values:
        values["image"] = tuple(values["image"])
    case = Case(**values)
    with ray_of(case):
        print(json.dumps(measure(case)))


if __name__ == "__main__":
    main()
