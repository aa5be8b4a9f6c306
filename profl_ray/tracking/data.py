"""What is read back from MLflow, as plain data: no type of MLflow leaves the tracking room."""

from dataclasses import dataclass, field

from profl_ray.server.record import RoundRecord
from profl_ray.strategies import Stage
from profl_ray.strategies.stages import stages_from_text

SWEPT = "sweep."
"""Prefix of the parameters that a sweep varies."""
OUTCOME_TAG = "profl_ray.outcome"
"""What became of a trial where its status does not say it, for instance `n/a` (no device can train it)."""
REASON_TAG = "profl_ray.reason"
"""Why, in one line."""
VERSION_TAG = "profl_ray.version"
"""Version of the program that began the run."""
STAGES_TAG = "profl_ray.stages"
"""How the stages of the run's strategy are shown, as JSON."""
QUOTAS_PATH = "federation/quotas.json"
"""Artifact with the devices' quotas: a JSON list, MiB."""

MAX_NAMES = 8
"""Of trials that a line names."""


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
    tags: dict[str, str]
    quotas_mib: list[float] = field(default_factory=list)
    """Quota of every device in MiB; empty if it was not logged."""
    records: list[RoundRecord] = field(default_factory=list)
    """The rounds, as the run itself recorded them."""
    unreadable: str = ""
    """Why the rounds cannot be read; empty if they can."""

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

    @property
    def stages(self) -> tuple[Stage, ...]:
        """How the stages of its strategy are shown."""
        return stages_from_text(self.tags.get(STAGES_TAG, ""))

    @property
    def version(self) -> str:
        """Of the program that began the run; empty if it did not say."""
        return self.tags.get(VERSION_TAG, "")


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
    """Those whose rounds can be read."""
    experiment: str
    uri: str
    unread: list[TrialData] = field(default_factory=list)
    """Those whose rounds cannot, with what else is known of them."""

    @property
    def unread_notice(self) -> str:
        """Which trials cannot be read, and which version wrote them, in one line; empty if all can."""
        if not self.unread:
            return ""
        alike: dict[str, list[str]] = {}
        for trial in self.unread:
            version = trial.version or "an older version that did not note its number"
            alike.setdefault(f"{trial.unreadable}; written by {version}", []).append(trial.name)
        told = [f"{_listed(names)} ({why})" for why, names in alike.items()]
        return f"left out, since their rounds cannot be read: {', '.join(told)}"


def _listed(names: list[str]) -> str:
    more = f" and {len(names) - MAX_NAMES} more" if len(names) > MAX_NAMES else ""
    return ", ".join(names[:MAX_NAMES]) + more
