"""What is read back from MLflow, as plain data: no type of MLflow leaves the tracking room."""

from dataclasses import dataclass, field
from functools import cached_property

from profl_ray.server.record import RoundRecord
from profl_ray.tracking.history import round_records

SWEPT = "sweep."
"""Prefix of the parameters that a sweep varies."""
OUTCOME_TAG = "profl_ray.outcome"
"""What became of a trial where its status does not say it, for instance `n/a` (no device can train it)."""
REASON_TAG = "profl_ray.reason"
"""Why, in one line."""
QUOTAS_PATH = "federation/quotas.json"
"""Artifact with the devices' quotas: a JSON list, MiB."""


@dataclass(frozen=True)
class TrialData:
    """One trial, or a run that was no part of a sweep."""

    run_id: str
    name: str
    status: str
    """RUNNING, FINISHED, FAILED, KILLED, or SCHEDULED: it waits."""
    params: dict[str, str]
    summary: dict[str, float]
    """Last value of every metric."""
    history: dict[str, list[tuple[int, float]]]
    """Per metric of a round: (round, value)."""
    tags: dict[str, str]
    quotas_mib: list[float] = field(default_factory=list)
    """Quota of every device in MiB; empty if it was not logged."""

    @property
    def settings(self) -> dict[str, str]:
        """What the sweep set for this trial: dotted key and value."""
        return {key.removeprefix(SWEPT): value for key, value in self.params.items() if key.startswith(SWEPT)}

    @property
    def outcome(self) -> str:
        """finished, running, waiting, failed, stopped or n/a."""
        words = {"FINISHED": "finished", "FAILED": "failed", "KILLED": "stopped", "SCHEDULED": "waiting"}
        word = self.tags.get(OUTCOME_TAG) or words.get(self.status, "running")
        return "n/a" if word == "finished" and "final_accuracy" not in self.summary else word

    @property
    def reason(self) -> str:
        """Why it failed or is n/a; empty if nothing was noted, or if it went well in the end."""
        return "" if self.outcome == "finished" else self.tags.get(REASON_TAG, "")

    @cached_property
    def records(self) -> list[RoundRecord]:
        """The rounds; device ids are stand-ins (see `round_records`)."""
        return round_records(self.history, self.tags)


@dataclass(frozen=True)
class SweepData:
    """A sweep and its trials, in the order of their start."""

    run_id: str
    name: str
    status: str
    description: str
    """What the sweep is about, in one paragraph."""
    params: dict[str, str]
    tags: dict[str, str]
    trials: list[TrialData]
    experiment: str
    uri: str
