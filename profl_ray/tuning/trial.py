"""One trial: a Tune trainable around the driver. The trial's actor is the driver actor."""

import json
import logging
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from ray import tune

from profl_ray.config import ExperimentConfig
from profl_ray.config.load import flatten
from profl_ray.config.yaml_tree import as_text
from profl_ray.errors import NothingLearnt, Unaffordable
from profl_ray.fleet.driver import Driver, RunIdentity
from profl_ray.server.record import RoundRecord
from profl_ray.tracking import OUTCOME_TAG, REASON_TAG, SWEPT, RunWriter, Status
from profl_ray.tuning.space import SearchSpace, decode, trial_name
from profl_ray.tuning.sweep_folder import TRIALS, Tracked

_log = logging.getLogger(__name__)

METRIC = "grown_accuracy"
"""Accuracy at the end of the last growing step; at the end of the run, of the complete model.

Accuracy inside a step is not comparable between trials: they train other sub-models at the same round.
"""
TIME = "units_grown"
"""Units trained for good: at the same count, trials have grown equally much of the same network."""
SUB_MODELS, SPENT_ROUNDS, SPENT_BYTES = "sub_models", "round", "spent_bytes"
"""What a scheduler may weigh besides: which sub-models are grown, rounds and bytes so far."""
STORE_PATIENCE_SECONDS = 300.0
"""How long a trial that begins, goes on or ends waits for an MLflow that is away."""


@dataclass(frozen=True)
class SweepContext:
    """What every trial of a sweep knows."""

    config: ExperimentConfig
    space: SearchSpace
    folder: Path
    """The sweep's folder; trials keep their runs in `TRIALS` below it."""
    tracked: Tracked


def sharing_rounds(config: ExperimentConfig) -> ExperimentConfig:
    """Return the configuration of a trial: trials share their rounds unless they are told not to."""
    if config.storage.share_rounds is not None:
        return config
    return config.model_copy(update={"storage": config.storage.model_copy(update={"share_rounds": True})})


class ProFLTrial(tune.Trainable):
    """A trial; one Tune iteration is one round.

    The driver saves its state itself, so Tune's checkpoint holds only the way to it.
    """

    def setup(self, config: dict[str, Any], context: SweepContext | None = None) -> None:
        """Take the trial in; its run is opened by the first `step`.

        Tune may begin a trial in two processes, a new one and one that has become free, and plays it in one.
        """
        assert context is not None
        self.context = context
        self.driver: Driver | None = None
        self.settings = decode(config)

    def reset_config(self, new_config: dict[str, Any]) -> bool:
        """Take another trial into this process, whose imports are done."""
        try:
            self.cleanup()
        except Exception:
            # Tune would count it as the new trial's failure, and not try that one again.
            _log.exception("the last trial of this process could not be closed")
        self.settings = decode(new_config)
        return True

    def _open(self) -> None:
        """Open the trial's run, new or where it stopped."""
        self.refusal = ""
        self.grown_accuracy = 0.0
        self.outcome: Status = "KILLED"
        self.reason = ""
        context = self.context
        experiment = context.config
        try:
            experiment = sharing_rounds(context.space.configure(context.config, self.settings))
            self.driver = Driver(experiment, self._identity())
        except Unaffordable as error:
            self.refusal = str(error)
            self._track_refusal(experiment)
            return
        for record in self.driver.records:
            self._note(record)

    def step(self) -> dict[str, Any]:
        """Play a round and report it."""
        if self.driver is None:
            self._open()
        if self.driver is None:
            return {METRIC: 0.0, TIME: 0, "refusal": self.refusal, "done": True, "round": 0}
        if self.driver.finished:
            record = self.driver.records[-1]
        else:
            try:
                record = self.driver.play_round()
            except NothingLearnt as error:
                # It would come again: not a failure that Tune should try to mend, as the loss of a node is.
                self.outcome, self.reason = "FAILED", str(error)
                self.cleanup()
                return {METRIC: 0.0, TIME: 0, "failure": str(error), "done": True, "round": 0}
            except Exception as error:
                self.outcome, self.reason = "FAILED", f"{type(error).__name__}: {error}"
                raise
        self.outcome = "FINISHED" if self.driver.finished else "KILLED"
        self._note(record)
        result = {
            METRIC: self.grown_accuracy,
            TIME: record.units_grown,
            SUB_MODELS: self.driver.sub_models,
            SPENT_ROUNDS: record.round,
            SPENT_BYTES: self.driver.totals.uplink_bytes + self.driver.totals.downlink_bytes,
            "step": record.step,
            "share_done": self.driver.share_done,
            "test_accuracy": record.test_accuracy,
            "need_mib": record.need_mib,
            "measured_peak_mib": record.measured_peak_mib,
            "effective_movement": record.effective_movement,
            "run_id": self.driver.run_id,
            "rounds_trained": self.driver.server.rounds_trained,
            "done": self.driver.finished,
        }
        if self.driver.finished:
            # Before Tune hears of it: after that, nobody would mend what a kill leaves undone.
            self.cleanup()
        return result

    def save_checkpoint(self, checkpoint_dir: str) -> None:
        """Close the run: Tune saves a trial only to let it wait, and its process may serve another one then.

        What is noted is where the driver keeps its state.
        """
        if self.driver is not None and not self.driver.finished:
            self.outcome = "SCHEDULED"
            self.cleanup()
        folder = str(self._identity().folder)
        (Path(checkpoint_dir) / "run_folder.json").write_text(json.dumps({"run_folder": folder}))

    def load_checkpoint(self, checkpoint: Any) -> None:
        """Nothing to do: the next `step` goes on from the driver's own, newer state."""

    def cleanup(self) -> None:
        """Close the run, if it is open: at its end, and when a scheduler stops the trial."""
        if self.driver is not None:
            driver, self.driver = self.driver, None
            try:
                if self.outcome in ("KILLED", "SCHEDULED"):
                    driver.save()
            except Exception as error:
                self.outcome, self.reason = "FAILED", f"{type(error).__name__}: {error}"
                raise
            finally:
                driver.close(self.outcome, self.reason)

    def _note(self, record: RoundRecord) -> None:
        accuracy = accuracy_of_growth(record)
        if accuracy is not None:
            self.grown_accuracy = accuracy

    def _identity(self) -> RunIdentity:
        context = self.context
        return RunIdentity(
            folder=context.folder / TRIALS / self.trial_id,
            name=trial_name(self.settings),
            uri=context.tracked.uri,
            experiment_id=context.tracked.experiment_id,
            parent_run_id=context.tracked.parent_run_id,
            params={f"{SWEPT}{key}": as_text(value) for key, value in self.settings.items()},
            # A trial that goes on elsewhere may have to wait until its lost process is really gone.
            patience_seconds=120.0,
            # Tries are for lost processes: an MLflow that is away for a while should not use them up. And
            # nobody opens a trial again that was beaten.
            store_patience_seconds=STORE_PATIENCE_SECONDS,
        )

    def _track_refusal(self, experiment: ExperimentConfig) -> None:
        """Leave a run that says why this setting cannot be trained."""
        identity = self._identity()
        if identity.uri is None:
            return
        params = flatten(experiment) | identity.params
        tags = {OUTCOME_TAG: "n/a", REASON_TAG: self.refusal}
        writer = RunWriter.start(
            identity.uri,
            identity.experiment_id,
            identity.name,
            params,
            tags,
            identity.parent_run_id,
            patience_seconds=identity.store_patience_seconds,
        )
        writer.log_summary({"participation": 0.0})
        writer.finish("FINISHED")


def accuracy_of_growth(record: RoundRecord) -> float | None:
    """Return the accuracy with which a round ended a growing step; None if it did not."""
    # Methods without growing steps finish all units with their last round.
    grown = record.step_ended and (record.stage == "grow" or record.units_grown > 0)
    return record.test_accuracy if grown else None
