"""How a sweep's trial is called and kept, and the run in MLflow of one that could not be trained."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal

from profl_ray.cluster.placing import Node
from profl_ray.cluster.resources import check_trial
from profl_ray.config import ExperimentConfig
from profl_ray.config.load import flatten
from profl_ray.config.places import may_differ
from profl_ray.errors import Unaffordable, UserError
from profl_ray.run.identity import RunIdentity
from profl_ray.server.run_folder import RunFolder
from profl_ray.texts import as_text
from profl_ray.tracking import (
    OUTCOME_TAG,
    REASON_TAG,
    SWEPT,
    TRIAL_TAG,
    RunWriter,
    end_failed,
    find_trial_run,
)
from profl_ray.tuning.space import SearchSpace, trial_name
from profl_ray.tuning.sweep_folder import TRIALS, Tracked

STORE_PATIENCE_SECONDS = 300.0
"""How long a trial that begins, is resumed or ends waits for an MLflow that is away."""


@dataclass(frozen=True)
class SweepContext:
    """What every trial of a sweep knows."""

    config: ExperimentConfig
    space: SearchSpace
    folder: Path
    """The sweep's folder; trials keep their runs in `TRIALS` below it."""
    tracked: Tracked
    nodes: Sequence[Node] = ()
    """The cluster's when the sweep began, or was resumed."""

    def configure(self, settings: Mapping[str, Any]) -> ExperimentConfig:
        """Return the configuration of a trial; UserError if its settings cannot be, or never find room.

        Trials share their rounds unless they are told not to.
        """
        trial = self.space.configure(self.config, settings)
        if self.nodes:
            check_trial(trial, self.nodes)
        if trial.storage.share_rounds is not None:
            return trial
        return trial.model_copy(update={"storage": trial.storage.model_copy(update={"share_rounds": True})})

    def run_folder(self, trial_id: str) -> Path:
        """Return where a trial keeps its run."""
        return self.folder / TRIALS / trial_id

    def check_begun(self, trial_id: str, settings: Mapping[str, Any], config: ExperimentConfig) -> None:
        """Raise UserError if the trial's folder holds a run of other settings; its fleet may be another."""
        run = RunFolder(self.run_folder(trial_id))
        if not run.exists:
            return
        begun, now = flatten(run.config()), flatten(config)
        for key in self.space.expand(settings):
            if begun[key] != now[key] and not may_differ(key):
                raise UserError(f"{run.path} holds a run with {key}={begun[key]}, not {key}={now[key]}")

    def identity(self, trial_id: str, settings: Mapping[str, Any]) -> RunIdentity:
        """Return where a trial's run is kept, and under which names it is tracked."""
        return RunIdentity(
            folder=self.run_folder(trial_id),
            name=trial_name(settings),
            uri=self.tracked.uri,
            experiment_id=self.tracked.experiment_id,
            parent_run_id=self.tracked.parent_run_id,
            run_id=self._run_id(trial_id),
            params={f"{SWEPT}{key}": as_text(value) for key, value in settings.items()},
            tags={TRIAL_TAG: trial_id},
            # A trial that is resumed elsewhere may have to wait until its lost process is really gone.
            patience_seconds=120.0,
            # Tries are for lost processes: an MLflow that is away for a while should not use them up. And
            # a trial that was beaten is not opened again.
            store_patience_seconds=STORE_PATIENCE_SECONDS,
        )

    def track_untrained(
        self,
        trial_id: str,
        settings: Mapping[str, Any],
        error: str | UserError,
        status: Literal["FINISHED", "FAILED"],
        patience_seconds: float = STORE_PATIENCE_SECONDS,
    ) -> None:
        """Leave a run that says why this trial was not trained; UserError if MLflow does not take it.

        status: FINISHED where nothing went wrong: its setting cannot be trained, n/a.
        """
        identity = self.identity(trial_id, settings)
        if identity.uri is None:
            return
        tags = identity.tags | {REASON_TAG: str(error)}
        if status == "FINISHED":
            tags[OUTCOME_TAG] = "n/a"
        writer = RunWriter.start(
            identity.uri,
            identity.experiment_id,
            identity.name,
            self._params(settings) | identity.params,
            tags,
            identity.parent_run_id,
            patience_seconds=patience_seconds,
            known_run_ids=[identity.run_id] if identity.run_id else (),
        )
        if isinstance(error, Unaffordable):
            writer.log_summary({"participation": 0.0})
        writer.finish(status)

    def _params(self, settings: Mapping[str, Any]) -> dict[str, str]:
        try:
            return flatten(self.configure(settings))
        except UserError:  # They make no configuration together.
            settled = {key: as_text(value) for key, value in self.space.expand(settings).items()}
            return flatten(self.config) | settled

    def track_failure(self, trial_id: str, settings: Mapping[str, Any], reason: str) -> str:
        """See to it that MLflow says why a trial failed whose process could not; return why it does not."""
        if self.tracked.uri is None:
            return ""
        try:
            run = RunFolder(self.run_folder(trial_id))
            if run.exists:
                run_id = str(run.facts()["mlflow_run_id"])
                return "" if end_failed(self.tracked.uri, run_id, reason) else "MLflow does not answer"
            self.track_untrained(trial_id, settings, reason, "FAILED", patience_seconds=0.0)
        except UserError as error:
            return str(error)
        return ""

    def _run_id(self, trial_id: str) -> str | None:
        """Return a trial's run: its folder knows it, or MLflow alone if the trial was lost as it began."""
        tracked, run = self.tracked, RunFolder(self.run_folder(trial_id))
        if tracked.uri is None or tracked.parent_run_id is None:
            return None
        if run.exists:
            return str(run.facts()["mlflow_run_id"])
        return find_trial_run(tracked.uri, tracked.experiment_id, tracked.parent_run_id, trial_id)
