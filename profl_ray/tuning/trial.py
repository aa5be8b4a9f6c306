"""One trial: a Tune trainable around the driver. The trial's actor is the driver actor."""

import json
import logging
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from ray import tune

from profl_ray.cluster.environment import prepare_environment
from profl_ray.errors import NoRoom, NotHere, NothingLearnt, UserError
from profl_ray.run.driver import Driver, check_runnable
from profl_ray.server.ranking import Ranking, ends_comparably
from profl_ray.server.record import RoundRecord
from profl_ray.server.run_folder import RunFolder
from profl_ray.tracking import Status
from profl_ray.tuning.space import decode
from profl_ray.tuning.trial_notes import UNRANKED
from profl_ray.tuning.trial_run import SweepContext

_log = logging.getLogger(__name__)

METRIC = "score"
"""What trials are ranked by (`evaluation.ranked_by`), higher being better, at the end of the last step that
compares; at the end of the run, of the complete model.

Values inside a step are not comparable between trials: they train other sub-models at the same round.
"""
ACCURACY = "compared_accuracy"
TIME = "units_grown"
"""Units trained for good: at the same count, trials have grown equally much of the same network."""
SUB_MODELS, SPENT_ROUNDS, SPENT_BYTES = "sub_models", "round", "spent_bytes"
"""What a scheduler may weigh besides: which sub-models are compared, rounds and bytes so far."""


class ProFLTrial(tune.Trainable):
    """A trial; one Tune iteration is one round.

    The driver saves its state itself, so Tune's checkpoint holds only its path.
    """

    def setup(self, config: dict[str, Any], context: SweepContext | None = None) -> None:
        """Take the trial in; its run is opened by the first `step`.

        Tune may begin a trial in two processes, a new one and one that has become free, and plays it in one.
        """
        assert context is not None
        prepare_environment()
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

    def _open(self) -> dict[str, Any] | None:
        """Open the trial's run, new or where it stopped; return what to report if it cannot be trained."""
        self.score = UNRANKED
        self.accuracy: float | None = None
        """At the end of the last step that compares."""
        self.outcome: Status = "KILLED"
        self.reason = ""
        context = self.context
        try:
            experiment = context.configure(self.settings)
            context.check_begun(self.trial_id, self.settings, experiment)
            runnable = check_runnable(experiment)
        except UserError as error:
            if isinstance(error, NotHere) and len(context.nodes) > 1:
                raise  # Tune tries again, perhaps on another node.
            if isinstance(error, NotHere) or RunFolder(context.run_folder(self.trial_id)).exists:
                # Not what the setting is, but where it is tried: elsewhere, or later, it may go well.
                context.track_untrained(self.trial_id, self.settings, error, "FAILED")
                return _untrained(failure=str(error), final=False)
            context.track_untrained(self.trial_id, self.settings, error, "FINISHED")
            # A larger cluster may hold it: tried again by a sweep that is resumed there.
            return _untrained(refusal=str(error), final=not isinstance(error, NoRoom))
        self.driver = Driver(experiment, context.identity(self.trial_id, self.settings), runnable)
        self.ranking = Ranking(experiment.evaluation.ranked_by)
        for number in range(1, len(self.driver.records) + 1):
            self._note(self.driver.records[:number])
        return None

    def step(self) -> dict[str, Any]:
        """Play a round and report it."""
        if self.driver is None and (untrained := self._open()) is not None:
            return untrained
        assert self.driver is not None
        if self.driver.finished:
            record = self.driver.records[-1]
        else:
            try:
                record = self.driver.play_round()
            except NothingLearnt as error:
                # It would come again: not a failure that Tune should retry, as the loss of a node is.
                self.outcome, self.reason = "FAILED", str(error)
                self.cleanup()
                return _untrained(failure=str(error))
            except Exception as error:
                self.outcome, self.reason = "FAILED", f"{type(error).__name__}: {error}"
                raise
        self.outcome = "FINISHED" if self.driver.finished else "KILLED"
        self._note(self.driver.records)
        result = {
            METRIC: self.score,
            ACCURACY: self.accuracy,
            TIME: record.units_grown,
            SUB_MODELS: self.driver.sub_models,
            SPENT_ROUNDS: record.round,
            SPENT_BYTES: self.driver.totals.uplink_bytes + self.driver.totals.downlink_bytes,
            "step": record.step,
            "share_done": self.driver.share_done,
            "test_accuracy": record.test_accuracy,
            "need_mib": record.need_mib,
            "measured_peak_mib": record.measured_peak_mib,
            "figures": record.figures,
            "run_id": self.driver.run_id,
            "rounds_trained": self.driver.server.rounds_trained,
            "done": self.driver.finished,
        }
        if self.driver.finished:
            # Before Tune hears of it: after that, nothing would make up for what a kill leaves undone.
            self.cleanup()
        return result

    def save_checkpoint(self, checkpoint_dir: str) -> None:
        """Close the run: Tune saves a trial only to let it wait, and its process may serve another one then.

        What is noted is where the driver keeps its state.
        """
        if self.driver is not None and not self.driver.finished:
            self.outcome = "SCHEDULED"
            self.cleanup()
        folder = str(self.context.run_folder(self.trial_id))
        (Path(checkpoint_dir) / "run_folder.json").write_text(json.dumps({"run_folder": folder}))

    def load_checkpoint(self, checkpoint: Any) -> None:
        """Nothing to do: the next `step` resumes from the driver's own, newer state."""

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

    def _note(self, records: Sequence[RoundRecord]) -> None:
        """Note how the run stands after the last of `records`, if it compares there."""
        if ends_comparably(records[-1]):
            score = self.ranking.compared_score(records)
            self.score = UNRANKED if score is None else score
            self.accuracy = records[-1].test_accuracy


def _untrained(**why: Any) -> dict[str, Any]:
    """Return what a trial reports that ends without a result."""
    return {METRIC: UNRANKED, TIME: 0, "done": True, "round": 0, **why}
