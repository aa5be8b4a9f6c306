"""`make bench`: the same learning by Flower, pfl, a hand-written loop and profl-ray, one after another.

    python benchmarks/peers/bench.py [--small] [--only NAME ...] [--folder FOLDER] [--write PAGE]

All run twice, in turn. Prints a table; with --write (docs/results/performance.md), it goes between two
marks in the page.
"""

import argparse
import json
import os
import socket
import statistics
import subprocess
import sys
import tempfile
from dataclasses import dataclass, replace
from pathlib import Path
from uuid import uuid4

from watch import MemoryWatch
from workload import Workload

HERE = Path(__file__).resolve().parent
PEERS_PYTHON = HERE / ".venv" / "bin" / "python"
WORKLOADS = [
    Workload("100 devices x 600 images, 10 a round", 100, 600, 10, 10),
    Workload("1,000 devices x 60 images, 100 a round", 1000, 60, 100, 10),
]
SMALL = [Workload("20 devices x 60 images, 4 a round", 20, 60, 4, 4)]
NUM_TURNS = 2
"""How often all contestants run, one after another: the machine's speed changes while they do."""
NUM_WARM = 2
"""First rounds that are left out."""
ONE_THREAD = {"OMP_NUM_THREADS": "1", "MKL_NUM_THREADS": "1", "CUDA_VISIBLE_DEVICES": ""}
KEPT_HEAP = {"MALLOC_MMAP_THRESHOLD_": str(32 * 2**20), "MALLOC_TRIM_THRESHOLD_": str(2**30)}
RAY = {"RAY_worker_niceness": "0", "RAY_USAGE_STATS_ENABLED": "0"}


@dataclass(frozen=True)
class Contestant:
    """A script and how it is started."""

    name: str
    script: str
    environment: dict[str, str]
    num_workers: int = 1
    of_peers: bool = False
    """Whether it runs on the peers' virtual environment."""


CONTESTANTS = [
    Contestant("floor", "floor.py", KEPT_HEAP),
    Contestant("profl-ray", "ours.py", {"PYTHONPATH": str(HERE.parents[1])}),
    Contestant("pfl", "apple_pfl.py", {}, num_workers=2, of_peers=True),
    Contestant("Flower", "flower.py", RAY | {"FLWR_TELEMETRY_ENABLED": "0"}, of_peers=True),
]


@dataclass(frozen=True)
class Outcome:
    """A contestant's run of a workload."""

    name: str
    version: str
    seconds: list[float]
    """Of the steady rounds."""
    accuracy: float
    own_mib: float
    """Most PSS of its processes together, without Ray's own."""
    ray_mib: float
    """What Ray itself took at that moment."""
    local: list[float]
    """Of profl-ray: seconds of the steady rounds that its two actors spend on devices, halved."""
    by_process_mib: dict[str, float]

    @property
    def round_seconds(self) -> float:
        """Median of the steady rounds."""
        return statistics.median(self.seconds)

    def with_another(self, other: "Outcome") -> "Outcome":
        """Return both runs of a contestant as one: all rounds, the larger memory."""
        larger = max(self, other, key=lambda outcome: outcome.own_mib)
        return replace(larger, seconds=self.seconds + other.seconds, local=self.local + other.local)


def run(contestant: Contestant, folder: Path) -> Outcome:
    """Run a contestant in processes of its own."""
    mark = f"PEERS_MARK={uuid4()}"
    base = {key: value for key, value in os.environ.items() if key != "PYTHONPATH"} | ONE_THREAD
    base |= contestant.environment | dict([mark.split("=")])
    if contestant.num_workers > 1:
        base["PFL_WORKER_ADDRESSES"] = ",".join(
            f"127.0.0.1:{_free_port()}" for _ in range(contestant.num_workers)
        )
    python = str(PEERS_PYTHON) if contestant.of_peers else sys.executable
    watch = MemoryWatch(mark)
    logs = [folder / f"{contestant.name}-{rank}.log" for rank in range(contestant.num_workers)]
    processes = []
    try:
        for rank, log in enumerate(logs):
            with log.open("w") as errors:
                processes.append(
                    subprocess.Popen(
                        [python, str(HERE / contestant.script), str(folder)],
                        env=base | {"PFL_WORKER_RANK": str(rank)},
                        stdout=subprocess.PIPE,
                        stderr=errors,
                        text=True,
                    )
                )
        output, *_ = [process.communicate(timeout=900)[0] for process in processes]
    finally:
        watch.end()
        for process in processes:
            if process.poll() is None:
                process.terminate()
    if any(process.returncode for process in processes):
        raise SystemExit(f"{contestant.name} failed: see {', '.join(map(str, logs))}")
    result = json.loads(output.splitlines()[-1])
    return Outcome(
        contestant.name,
        result["version"],
        result["seconds"][NUM_WARM:],
        result["accuracy"],
        *max(watch.samples_mib, default=(0.0, 0.0)),
        [seconds / 2 for seconds in result.get("local", [])[NUM_WARM:]],
        watch.by_process_mib,
    )


def _free_port() -> int:
    with socket.socket() as listener:
        listener.bind(("127.0.0.1", 0))
        return int(listener.getsockname()[1])


def table(results: dict[str, list[Outcome]]) -> str:
    """Return the results as Markdown, with ratios to the floor."""
    lines = [
        "| workload | contestant | s a round | min..max | to the floor "
        "| accuracy | own MiB | to Flower's | Ray's MiB |",
        "|---|---|---|---|---|---|---|---|---|",
    ]
    for workload, outcomes in results.items():
        by_name = {outcome.name: outcome for outcome in outcomes}
        floor, flower = by_name.get("floor"), by_name.get("Flower")
        for one in outcomes:
            ratio = f"{one.round_seconds / floor.round_seconds:.2f}" if floor else ""
            memory = f"{one.own_mib / flower.own_mib:.2f}" if flower else ""
            low, high = min(one.seconds), max(one.seconds)
            lines.append(
                f"| {workload} | {one.name} {one.version} | {one.round_seconds:.3f} | {low:.3f}..{high:.3f} "
                f"| {ratio} | {one.accuracy:.3f} | {one.own_mib:.0f} | {memory} | "
                f"{f'{one.ray_mib:.0f}' if one.ray_mib else ''} |"
            )
    return "\n".join(lines)


def write(page: Path, text: str) -> None:
    """Put `text` between the marks of the page."""
    begin, end = "<!-- peers: begin -->", "<!-- peers: end -->"
    before, rest = page.read_text().split(begin)
    _, after = rest.split(end)
    page.write_text(f"{before}{begin}\n{text}\n{end}{after}")


def main() -> None:
    """Prepare, run everything in turn, print the table."""
    names = [contestant.name for contestant in CONTESTANTS]
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--small", action="store_true", help="a workload of seconds, to see that it works")
    parser.add_argument("--only", nargs="+", choices=names, default=names)
    parser.add_argument("--folder", type=Path, help="keep files and logs here, with results.json")
    parser.add_argument("--write", type=Path, help="page to write the table into")
    arguments = parser.parse_args()
    with tempfile.TemporaryDirectory() as temporary:
        folder = (arguments.folder or Path(temporary)).resolve()
        results: dict[str, list[Outcome]] = {}
        for index, workload in enumerate(SMALL if arguments.small else WORKLOADS):
            place = folder / str(index)
            _prepare(workload, place)
            outcomes: dict[str, Outcome] = {}
            for _ in range(NUM_TURNS):
                for contestant in CONTESTANTS:
                    if contestant.name not in arguments.only:
                        continue
                    print(f"{workload.name}: {contestant.name} ...", file=sys.stderr, flush=True)
                    outcome, before = run(contestant, place), outcomes.get(contestant.name)
                    outcomes[contestant.name] = before.with_another(outcome) if before else outcome
            results[workload.name] = list(outcomes.values())
        kept = {name: [vars(outcome) for outcome in outcomes] for name, outcomes in results.items()}
        (folder / "results.json").write_text(json.dumps(kept, indent=1))
    print(table(results))
    for outcomes in results.values():
        for outcome in outcomes:
            if outcome.local:
                local = statistics.median(outcome.local)
                print(f"{outcome.name}: {local:.3f} s a round of each actor's are local work")
    if arguments.write:
        write(arguments.write, table(results))


def _prepare(workload: Workload, folder: Path) -> None:
    """Write the workload's files in a process that ends: this one stays small."""
    code = "import sys, json; from pathlib import Path; from workload import Workload"
    code += "; from prepare import prepare; prepare(Workload(**json.loads(sys.argv[1])), Path(sys.argv[2]))"
    code += "; from ours import find_facts; find_facts(Path(sys.argv[2]))"
    subprocess.run(
        [sys.executable, "-c", code, json.dumps(vars(workload)), str(folder)],
        check=True,
        env=os.environ | {"PYTHONPATH": f"{HERE}:{HERE.parents[1]}"},
    )


if __name__ == "__main__":
    main()
