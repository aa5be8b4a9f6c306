"""Constants for the model of a large cluster in docs/results/scale.md, each measured alone.

    python benchmarks/scale_parts.py

The crew's own bookkeeping for 10 to 1,000 actors (Ray replaced by one that answers at once), `ray.wait` on
that many references of a real Ray, and what the ledger adds to a checkpoint when so many devices were met.
"""

import json
import types
from time import perf_counter
from typing import Any

COUNTS = (10, 100, 1000)
REPEATS = 20


def crew_seconds(num_actors: int) -> float:
    """Return seconds a group that a crew spends on giving out and taking in, without Ray."""
    from profl_ray.fleet import crew

    class Answer:
        """Stands for an ObjectRef."""

    class Method:
        """A remote method that has its answer at once."""

        def remote(self, *_arguments: Any) -> Answer:
            return Answer()

    class Actor:
        """Stands for a client actor."""

        ping = train = Method()

    real, crew.ray = (
        crew.ray,
        types.SimpleNamespace(
            get=lambda ref, timeout=None: None,
            wait=lambda refs, num_returns, timeout: ([refs[0]], refs[1:]),
            kill=lambda actor: None,
        ),
    )
    try:
        fake = crew.Crew(Actor, num_actors, 60.0, 60.0)
        started = perf_counter()
        for _ in fake.stream([crew.Call(index, "train", ()) for index in range(num_actors)]):
            pass
        return (perf_counter() - started) / num_actors
    finally:
        crew.ray = real


def wait_seconds(num_refs: int) -> float:
    """Return seconds of one `ray.wait` that finds the first of so many references ready."""
    import ray

    @ray.remote(num_cpus=0)
    class Sleeper:
        def sleep(self, seconds: float) -> None:
            from time import sleep

            sleep(seconds)

    ready = ray.put(1)
    sleeper = Sleeper.remote()
    refs = [ready, *(sleeper.sleep.remote(3600.0) for _ in range(num_refs - 1))]
    ray.wait(refs, num_returns=1)
    started = perf_counter()
    for _ in range(REPEATS):
        ray.wait(refs, num_returns=1, timeout=60.0)
    seconds = (perf_counter() - started) / REPEATS
    ray.kill(sleeper)
    return seconds


def ledger_cost(num_devices: int) -> tuple[float, float]:
    """Return MB and seconds that the ledger adds to a checkpoint."""
    from profl_ray.server.ledger import Ledger

    holders = {f"3/0/{device}": "3" for device in range(num_devices)}
    ledger = Ledger(devices_ever=set(range(num_devices)), holders=holders)
    started = perf_counter()
    text = json.dumps(json.dumps(ledger.to_json()))
    return len(text) / 1e6, perf_counter() - started


def main() -> None:
    """Print three tables."""
    from profl_ray.cluster.ray_session import ray_session

    print("| actors | bookkeeping, ms a group |\n|---|---|")
    for count in COUNTS:
        print(f"| {count:,} | {1e3 * crew_seconds(count):.3f} |")
    print("\n| references | one `ray.wait`, ms |\n|---|---|")
    with ray_session(num_cpus=1):
        for count in (*COUNTS, 2000):
            print(f"| {count:,} | {1e3 * wait_seconds(count):.2f} |")
    print("\n| devices met in the step | ledger in the checkpoint, MB | s |\n|---|---|---|")
    for count in (1000, 10_000, 100_000):
        megabytes, seconds = ledger_cost(count)
        print(f"| {count:,} | {megabytes:.2f} | {seconds:.3f} |")


if __name__ == "__main__":
    main()
