"""What grows with what: a round, the start and the driver's memory against devices, cohort, model and nodes.

    python benchmarks/scale.py devices|cohort|models|nodes|figures [--folder FOLDER] [--quick]

Each case is a process of its own (`scale_case.py`). Prints a Markdown table; numbers go to FOLDER/PART.json,
from which `figures` draws docs/results/figures/scale_*.png. The page: docs/results/scale.md.
"""

import argparse
import json
import subprocess
import sys
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

HERE = Path(__file__).parent
Row = dict[str, Any]
LIMIT_SECONDS = 300

MODELS = (("cnn", 1.0), ("resnet18", 0.25), ("resnet18", 0.5), ("resnet18", 1.0), ("resnet34", 1.0))
WHOLE = {"strategy": "fedavg", "image": [3, 8, 8], "num_examples": 20_000}
"""FedAvg moves the whole model every round: the most that any method moves."""


def device_cases(quick: bool) -> list[Row]:
    """Registered devices, ten of them in a round."""
    counts = (100, 1000) if quick else (100, 1000, 10_000, 100_000)
    return [
        {"num_devices": count, "backend": backend, "tracked": True}
        for backend in ("in_process", "ray")
        for count in counts
    ]


def cohort_cases(quick: bool) -> list[Row]:
    """Devices in a round, of 10,000; and pieces in which they are summed."""
    pairs = ((10, 8), (100, 8)) if quick else ((10, 8), (100, 8), (1000, 8), (1000, 64))
    common = {"num_devices": 10_000, "model": "cnn", "width": 4.0, "num_rounds": 2, **WHOLE}
    return [
        {"cohort_size": size, "cohort_groups": groups, "backend": backend, **common}
        for backend in ("in_process", "ray")
        for size, groups in pairs
    ]


def model_cases(quick: bool) -> list[Row]:
    """Models from small to large; two devices in two groups, one actor, one node."""
    common = {"cohort_size": 2, "cohort_groups": 2, "backend": "ray", "num_actors": 1, **WHOLE}
    common |= {"num_rounds": 10, "evaluate_every": 1000}
    return [{"model": name, "width": width, **common} for name, width in MODELS[: 2 if quick else None]]


def node_cases(quick: bool) -> list[Row]:
    """Simulated nodes with one actor each; devices that sleep 20 ms, and such that do not even sleep."""
    counts = (1, 2) if quick else (1, 2, 4)
    common = {"backend": "ray", "cohort_size": 128, "cohort_groups": 128, "num_devices": 1000, **WHOLE}
    common |= {"model": "resnet18", "width": 0.25, "num_rounds": 4}
    kinds: list[Row] = [{"sleep_seconds": 0.02}, {"sleep_seconds": 0.0}, {}]
    return [{"num_nodes": count, "num_actors": count, **kind, **common} for kind in kinds for count in counts]


def play(case: Row, folder: Path) -> Row:
    """Measure a case in a process of its own."""
    command = [sys.executable, str(HERE / "scale_case.py"), json.dumps(case | {"root": str(folder / "runs")})]
    done = subprocess.run(command, capture_output=True, text=True, timeout=LIMIT_SECONDS)
    if done.returncode:
        raise SystemExit(f"{json.dumps(case)}: {done.stderr[-2000:]}")
    return json.loads(done.stdout.splitlines()[-1])


def own_seconds(row: Row) -> float:
    """Return what a round takes beside training and evaluation: planning, merging, saving, logging."""
    parts = row["round"]
    return parts["round"] - parts["train"] - parts.get("evaluate", 0.0)


def memory_cells(row: Row) -> list[str]:
    """Return the driver's memory: own peak at the start and in the rounds, PSS at the end, peak RSS."""
    keys = ("base_anon_mib", "start_anon_mib", "rounds_anon_mib", "pss_mib", "peak_rss_mib")
    return [f"{row[key]:.0f}" for key in keys]


MEMORY_HEADER = ["base MiB", "start MiB", "rounds MiB", "PSS MiB", "peak RSS MiB"]


def milliseconds(*seconds: float) -> list[str]:
    """Return cells in ms."""
    return [f"{1e3 * value:.1f}" for value in seconds]


def device_table(rows: Sequence[Row]) -> None:
    """Print starts, rounds, ends and memory by number of devices."""
    cells = []
    for row in rows:
        start, parts = row["start"], row["round"]
        ours = start["start"] - start["fleet"] - start["mlflow"]
        steps = [parts[name] for name in ("round", "local", "train", "evaluate")]
        line = [row["case"]["backend"], f"{row['case']['num_devices']:,}"]
        line += [f"{value:.2f}" for value in (ours, start["split"], start["log_setup"], start["fleet"])]
        line += [*milliseconds(*steps, own_seconds(row)), f"{row['end']:.2f}"]
        cells.append([*line, *memory_cells(row)])
    header = ["fleet", "devices", "start s", "split s", "log setup s", "fleet s", "round ms", "local ms"]
    header += ["train ms", "evaluate ms", "own ms", "end s", *MEMORY_HEADER]
    print_table(header, cells)


def cohort_table(rows: Sequence[Row]) -> None:
    """Print rounds and memory by size of the cohort."""
    cells = [
        [row["case"]["backend"], f"{row['case']['cohort_size']:,}", str(row["case"]["cohort_groups"])]
        + [f"{row['round'][key]:.2f}" for key in ("round", "local")]
        + milliseconds(own_seconds(row))
        + memory_cells(row)
        for row in rows
    ]
    print_table(["fleet", "cohort", "groups", "round s", "local s", "own ms", *MEMORY_HEADER], cells)


ROUND_PARTS = ("plan", "put", "get", "travel", "local", "add", "merge", "save", "round")


def model_table(rows: Sequence[Row]) -> None:
    """Print bytes and parts of a round by model."""
    cells = []
    for row in rows:
        parts = row["round"]
        line = [f"{row['case']['model']} x{row['case']['width']:g}", f"{row['moving_bytes'] / 1e6:.1f}"]
        line += milliseconds(*(parts[name] for name in ROUND_PARTS))
        cells.append([*line, f"{row['checkpoint_bytes'] / 1e6:.1f}", *memory_cells(row)])
    header = ["model", "MB", "plan ms", "put ms", "get ms", "travel ms", "local ms", "add ms", "merge ms"]
    header += ["checkpoint ms", "round ms", "checkpoint MB", *MEMORY_HEADER]
    print_table(header, cells)


def node_table(rows: Sequence[Row]) -> None:
    """Print devices a second by number of nodes."""
    cells = []
    for row in rows:
        case, parts = row["case"], row["round"]
        rate = case["cohort_size"] / parts["train"]
        line = [kind_of(case), str(case["num_nodes"]), f"{rate:.0f}", f"{1e3 * parts['train']:.0f}"]
        line += [f"{1e3 * parts['train'] / case['cohort_groups']:.2f}", f"{row['start']['fleet']:.1f}"]
        cells.append(line)
    print_table(["devices", "nodes", "devices/s", "train ms", "ms a group", "fleet start s"], cells)


def kind_of(case: Row) -> str:
    """Return what a case's devices do, in words."""
    seconds = case["sleep_seconds"]
    return "train" if seconds is None else f"sleep {1e3 * seconds:.0f} ms" if seconds else "nothing"


def print_table(header: Sequence[str], rows: Sequence[Sequence[str]]) -> None:
    """Print a Markdown table."""
    for cells in (header, ["---"] * len(header), *rows):
        print(f"| {' | '.join(cells)} |", flush=True)


PARTS: dict[str, tuple[Callable[[bool], list[Row]], Callable[[Sequence[Row]], None]]] = {
    "devices": (device_cases, device_table),
    "cohort": (cohort_cases, cohort_table),
    "models": (model_cases, model_table),
    "nodes": (node_cases, node_table),
}


def main() -> None:
    """Measure one part, or draw the figures of all."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("part", choices=[*PARTS, "figures"])
    parser.add_argument("--folder", type=Path, default=Path("scale"))
    parser.add_argument("--quick", action="store_true")
    options = parser.parse_args()
    options.folder.mkdir(parents=True, exist_ok=True)
    if options.part == "figures":
        from scale_figures import draw

        return draw(options.folder, HERE.parent / "docs" / "results" / "figures")
    cases, table = PARTS[options.part]
    rows = [play(case, options.folder.resolve()) for case in cases(options.quick)]
    (options.folder / f"{options.part}.json").write_text(json.dumps(rows))
    return table(rows)


if __name__ == "__main__":
    main()
