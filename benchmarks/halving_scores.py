"""What halving would have done with a sweep that ran every trial to its end: other scores, other shares kept.

    python benchmarks/halving_scores.py FOLDER_OF_A_SWEEP ...

Reads the trials' records and judges them once more at the end of each growing step, by different scores and
keeping different shares. Prints a Markdown table per sweep: points that the best of the kept is behind the
best of all, and in brackets the rounds that would be trained, in percent of all trajectories' rounds.
"""

import sys
from collections.abc import Callable, Sequence
from pathlib import Path

from profl_ray.server.record import RoundRecord
from profl_ray.server.run_folder import RunFolder
from profl_ray.tuning.halving import Score, worst_kept

Trajectory = list[RoundRecord]
ScoreOf = Callable[[Sequence[RoundRecord]], float]
"""From the evaluated rounds of a step; more is better."""

KEPT = {"1/2, 1/3, 1/4": (2, 3, 4), "1/2": (2, 2, 2), "1/2, 1/4, 1/4": (2, 4, 4), "1/4": (4, 4, 4)}
"""By name: one over the share that is kept at the end of the first, second, third and later growing step."""


def last_accuracy(step: Sequence[RoundRecord]) -> float:
    """Return what halving judges by: the step's last accuracy."""
    return step[-1].test_accuracy or 0.0


def mean_accuracy(num: int) -> ScoreOf:
    """Return the score that is the mean of the step's last `num` accuracies."""
    return lambda step: sum(record.test_accuracy or 0.0 for record in step[-num:]) / len(step[-num:])


def best_accuracy(step: Sequence[RoundRecord]) -> float:
    """Return the step's best accuracy."""
    return max(record.test_accuracy or 0.0 for record in step)


def last_loss(step: Sequence[RoundRecord]) -> float:
    """Return the step's last test loss, less being better."""
    return -(step[-1].test_loss or 0.0)


SCORES = {
    "last accuracy": last_accuracy,
    "mean of the last 2": mean_accuracy(2),
    "mean of the last 3": mean_accuracy(3),
    "best accuracy": best_accuracy,
    "last test loss": last_loss,
}


def fronts(trajectory: Trajectory) -> list[Trajectory]:
    """Return what a trial has walked at the end of each growing step, and at last all of it."""
    ends = [number for number, record in enumerate(trajectory, 1) if record.compares and record.step_ended]
    return [trajectory[:end] for end in ends[:-1]] + [trajectory]


def judged(front: Trajectory, score: ScoreOf) -> Score:
    """Return the score of a trial at the end of a growing step."""
    step = [record for record in front if record.step_index == front[-1].step_index]
    spent = sum(record.uplink_bytes + record.downlink_bytes for record in front)
    accuracy = score([record for record in step if record.test_accuracy is not None])
    return Score(accuracy, -front[-1].round, -spent)


def halve(
    trials: Sequence[Trajectory], score: ScoreOf, factors: Sequence[int]
) -> tuple[Sequence[Trajectory], set[tuple[int, int]]]:
    """Return the trials that are kept to the end, and all rounds that any trial trains."""
    trained: set[tuple[int, int]] = set()
    for number in range(len(fronts(trials[0]))):
        walked = [fronts(trial)[number] for trial in trials]
        trained.update(name for front in walked for name in rounds_of(front))
        if len(walked[0]) == len(trials[0]):
            break
        rung = {str(i): judged(front, score) for i, front in enumerate(walked)}
        lowest = worst_kept(rung, factors[min(number, len(factors) - 1)])
        trials = [trial for i, trial in enumerate(trials) if rung[str(i)] >= lowest]
    return trials, trained


def rounds_of(trajectory: Trajectory) -> list[tuple[int, int]]:
    """Return a name for each round: trials that have walked alike so far have the same names.

    By their losses, whose digits are equal only where everything before was.
    """
    names, chain = [], hash(())
    for record in trajectory:
        chain = hash((chain, record.step, record.train_loss, record.test_loss))
        names.append((record.round, chain))
    return names


def final_percent(trials: Sequence[Trajectory]) -> float:
    """Return the best final accuracy, in percent."""
    return 100 * max(trial[-1].test_accuracy or 0.0 for trial in trials)


def main() -> None:
    """Print a table for each sweep."""
    for folder in map(Path, sys.argv[1:]):
        runs = [RunFolder(path) for path in sorted((folder / "trials").iterdir())]
        if len({run.facts().get("sub_models", "") for run in runs}) != 1:
            raise SystemExit(f"{folder}: its trials grow different sub-models; halving compares none")
        trials = [run.read_records() for run in runs]
        if len({len(fronts(trial)) for trial in trials}) != 1:
            raise SystemExit(f"{folder}: the trials' growing steps differ in number; are all complete?")
        total = sum(map(len, trials))
        shared = {name for trial in trials for name in rounds_of(trial)}
        print(
            f"\n{folder.name}: {len(trials)} trials, best {final_percent(trials):.2f} %, {total} rounds,",
            end=" ",
        )
        print(f"{len(shared)} trained ({100 * len(shared) / total:.1f} %)\n")
        print(f"| score | {' | '.join(KEPT)} |\n|{'---|' * (len(KEPT) + 1)}")
        for name, score in SCORES.items():
            cells = []
            for factors in KEPT.values():
                kept, trained = halve(trials, score, factors)
                behind = final_percent(trials) - final_percent(kept)
                cells.append(f"{behind:.2f} ({100 * len(trained) / total:.1f})")
            print(f"| {name} | {' | '.join(cells)} |")


if __name__ == "__main__":
    main()
