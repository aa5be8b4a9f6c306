"""One row of results per trial, the best first."""

from dataclasses import dataclass, field, replace

from profl_ray.server.ranking import BY_ACCURACY, Ranking
from profl_ray.sizes import MIB
from profl_ray.tracking.data import SweepData, TrialData

LATE = 3
METHOD = "method"
"""The setting of a comparison that names itself."""


@dataclass(frozen=True, kw_only=True)
class Result:
    """What is compared: a trial, or trials that differ in the seed alone; None where there is no result."""

    rank: int | None
    """1 for the best; None for what did not finish, or has no value of what is ranked by."""
    settings: dict[str, str]
    """What the sweep set, under short names."""
    outcome: str
    """finished, running, failed, stopped or n/a."""
    accuracy: float | None
    """Final test accuracy, in [0, 1]."""
    late_accuracy: float | None
    """Mean of the last `LATE` accuracies of the last step: the final one without its luck."""
    peak_mib: float | None
    """Largest predicted need of all steps, MiB."""
    reduction: float | None
    """1 - peak / need of full training."""
    participation: float | None
    """Mean share of the devices that could afford the step, over all rounds."""
    took_part: float | None
    """Share of the devices whose updates were ever merged."""
    rounds: int | None
    uplink_mib: float | None
    downlink_mib: float | None
    tflop: float | None
    """Operations of all local training, 10^12."""
    seconds: float | None
    ranking: Ranking = field(default_factory=Ranking)
    """What results are ranked by."""
    ranked: float | None = None
    """Its value."""

    @property
    def score(self) -> float | None:
        """How good it is, higher being better; None if it cannot be ranked."""
        return None if self.ranked is None else self.ranking.score({self.ranking.name: self.ranked})

    @property
    def label(self) -> str:
        """The settings on one line, a method by its name alone."""
        words = [value if key == METHOD else f"{key} {value}" for key, value in self.settings.items()]
        return ", ".join(words)


@dataclass(frozen=True, kw_only=True)
class Row(Result):
    """The results of one trial."""

    trial: TrialData
    rounds_by_step: dict[str, int]
    """Rounds until each step ended (its freeze point), in the order of the run."""

    @property
    def label(self) -> str:
        """The settings on one line; the name of a trial that has none."""
        return super().label or self.trial.name


def result_rows(sweep: SweepData) -> list[Row]:
    """Return a row per trial: finished ones by what the sweep ranks by, then the others by name.

    Ties go to less memory.
    """
    ranking = Ranking(sweep.params.get("evaluation.ranked_by", BY_ACCURACY))
    names = short_names([key for trial in sweep.trials for key in trial.settings])
    rows = [_row(trial, names, ranking) for trial in sweep.trials]
    ranked = [row for row in rows if row.outcome == "finished" and row.score is not None]
    others = [row for row in rows if row.outcome != "finished" or row.score is None]
    ranked.sort(key=lambda row: (-(row.score or 0.0), row.peak_mib or 0.0, row.trial.name))
    others.sort(key=lambda row: (row.outcome != "finished", row.outcome, row.trial.name))
    return [replace(row, rank=rank) for rank, row in enumerate(ranked, start=1)] + others


def short_names(keys: list[str]) -> dict[str, str]:
    """Return for every dotted key its last word, or the whole key where two would share the word."""
    distinct = sorted(set(keys))
    words = [key.rpartition(".")[2] for key in distinct]
    return {key: word if words.count(word) == 1 else key for key, word in zip(distinct, words, strict=True)}


def _row(trial: TrialData, names: dict[str, str], ranking: Ranking) -> Row:
    summary = trial.summary
    rounds_by_step: dict[str, int] = {}
    for record in trial.records:
        rounds_by_step[record.step] = rounds_by_step.get(record.step, 0) + 1
    rounds = summary.get("rounds", sum(rounds_by_step.values()))
    return Row(
        rank=None,
        trial=trial,
        settings={names[key]: trial.settings[key] for key in sorted(trial.settings)},
        outcome=trial.outcome,
        accuracy=summary.get("final_accuracy"),
        late_accuracy=_late_accuracy(trial) if "final_accuracy" in summary else None,
        peak_mib=summary.get("peak_need_mib"),
        reduction=summary.get("reduction"),
        participation=summary.get("participation"),
        took_part=_took_part(trial),
        rounds=int(rounds) if rounds else None,
        rounds_by_step=rounds_by_step,
        uplink_mib=_mib(summary.get("uplink_bytes_total")),
        downlink_mib=_mib(summary.get("downlink_bytes_total")),
        tflop=summary["local_flops_total"] / 1e12 if "local_flops_total" in summary else None,
        seconds=summary.get("seconds_total"),
        ranking=ranking,
        ranked=summary.get(ranking.name),
    )


def _mib(size_bytes: float | None) -> float | None:
    return None if size_bytes is None else size_bytes / MIB


def _took_part(trial: TrialData) -> float | None:
    ever = trial.summary.get("num_devices_ever")
    return ever / len(trial.quotas_mib) if ever is not None and trial.quotas_mib else None


def _late_accuracy(trial: TrialData) -> float | None:
    records = trial.records
    late = [
        record.test_accuracy
        for record in records
        if record.step_index == records[-1].step_index and record.test_accuracy is not None
    ][-LATE:]
    return sum(late) / len(late) if late else None
