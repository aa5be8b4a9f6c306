"""Where a round of profl-ray goes, by Ray's own timeline.

    PYTHONPATH=. python benchmarks/peers/timeline.py FOLDER/0 [KEY=VALUE ...]

FOLDER is what `bench.py --folder FOLDER` left. Prints for every round, in seconds: the time from its first
training call to the end of its last; how long an actor trained (mean of both); how long the last one trained
alone; the time from there to the next round's first call.
"""

import json
import tempfile
from pathlib import Path
from statistics import median
from time import sleep

import ours

import ray  # isort: skip  # As in ours.py.

FLUSH_SECONDS = 3.0
"""Workers tell Ray of what they did every second."""


def written(folder: Path) -> list[dict[str, float]]:
    """Play the rounds and return the training calls of Ray's timeline, in order; microseconds."""
    path = folder / "timeline.json"

    def write() -> None:
        sleep(FLUSH_SECONDS)
        ray.timeline(str(path))

    ours.main(before_the_end=write)
    events = json.loads(path.read_text())
    calls = [event for event in events if event.get("ph") == "X" and event["name"] == "train"]
    return sorted(calls, key=lambda call: call["ts"])


def rounds(calls: list[dict[str, float]], num_rounds: int) -> list[tuple[float, float, float, float]]:
    """Return span, training, tail and gap of every round but the last, in seconds."""
    size = len(calls) // num_rounds
    found = []
    for first in range(0, len(calls) - size, size):
        group, after = calls[first : first + size], calls[first + size]
        begin, end = group[0]["ts"], max(call["ts"] + call["dur"] for call in group)
        ends: dict[float, float] = {}
        for call in group:
            actor = call["tid"]
            ends[actor] = max(call["ts"] + call["dur"], ends.get(actor, 0.0))
        busy = sum(call["dur"] for call in group) / 2
        found.append((end - begin, busy, end - min(ends.values()), after["ts"] - end))
    return [tuple(value / 1e6 for value in one) for one in found]


def main() -> None:
    """Print a line a round, and the medians of the steady ones."""
    with tempfile.TemporaryDirectory() as folder:
        calls = written(Path(folder))
    lines = rounds(calls, num_rounds=10)
    print("round   span  train   tail    gap")
    for number, line in enumerate(lines, 1):
        print(f"{number:5d} " + " ".join(f"{value:6.3f}" for value in line))
    print("median " + " ".join(f"{median(column):6.3f}" for column in zip(*lines[2:], strict=True)))


if __name__ == "__main__":
    main()
