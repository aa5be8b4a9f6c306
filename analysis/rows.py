"""One row of results per trial, the best first."""

from dataclasses import dataclass

from profl_ray.tracking.data import SweepData, TrialData

MIB = 2**20


@dataclass(frozen=True)
class Row:
    """The results of one trial; None where there is no such result."""

    rank: int | None
    """1 for the best; None for trials that did not finish."""
    trial: TrialData
    settings: dict[str, str]
    """What the sweep set, under short names."""
    outcome: str
    """finished, running, failed, stopped or n/a."""
    accuracy: float | None
    """Final test accuracy, in [0, 1]."""
    peak_mib: float | None
    """Largest predicted need of all steps, MiB."""
    reduction: float | None
    """1 - peak / need of full training."""
    participation: float | None
    """Mean share of the devices that could afford the step, over all rounds."""
    rounds: int | None
    rounds_by_step: dict[str, int]
    """Rounds until each step ended (its freeze point), in the order of the run."""
    uplink_mib: float | None
    downlink_mib: float | None
    seconds: float | None

    @property
    def label(self) -> str:
        """The settings on one line; the name of a trial that has none."""
        return ", ".join(f"{key} {value}" for key, value in self.settings.items()) or self.trial.name


def result_rows(sweep: SweepData) -> list[Row]:
    """Return a row per trial: finished ones by accuracy (ties: less memory), then the others by name."""
    names = short_names([key for trial in sweep.trials for key in trial.settings])
    finished = [trial for trial in sweep.trials if trial.outcome == "finished"]
    others = [trial for trial in sweep.trials if trial.outcome != "finished"]
    finished.sort(key=lambda t: (-t.summary["final_accuracy"], t.summary.get("peak_need_mib", 0.0), t.name))
    others.sort(key=lambda t: (t.outcome, t.name))
    ranked = [_row(trial, rank, names) for rank, trial in enumerate(finished, start=1)]
    return ranked + [_row(trial, None, names) for trial in others]


def short_names(keys: list[str]) -> dict[str, str]:
    """Return for every dotted key its last word, or the whole key where two would share the word."""
    distinct = sorted(set(keys))
    words = [key.rpartition(".")[2] for key in distinct]
    return {key: word if words.count(word) == 1 else key for key, word in zip(distinct, words, strict=True)}


def _row(trial: TrialData, rank: int | None, names: dict[str, str]) -> Row:
    summary = trial.summary
    rounds_by_step: dict[str, int] = {}
    for record in trial.records:
        rounds_by_step[record.step] = rounds_by_step.get(record.step, 0) + 1
    rounds = summary.get("rounds", sum(rounds_by_step.values()))
    return Row(
        rank=rank,
        trial=trial,
        settings={names[key]: trial.settings[key] for key in sorted(trial.settings)},
        outcome=trial.outcome,
        accuracy=summary.get("final_accuracy"),
        peak_mib=summary.get("peak_need_mib"),
        reduction=summary.get("reduction"),
        participation=summary.get("participation"),
        rounds=int(rounds) if rounds else None,
        rounds_by_step=rounds_by_step,
        uplink_mib=_mib(summary.get("uplink_bytes_total")),
        downlink_mib=_mib(summary.get("downlink_bytes_total")),
        seconds=summary.get("seconds_total"),
    )


def _mib(size_bytes: float | None) -> float | None:
    return None if size_bytes is None else size_bytes / MIB
