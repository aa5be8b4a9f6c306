"""The driver of one run: plays the rounds, keeps the run's folder and MLflow up to date.

Plain Python: it runs in this process, as a Ray actor (`ray_driver`), or inside a Tune trial.
"""

import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from hashlib import sha256
from itertools import repeat
from typing import Any

from profl_ray.config import ExperimentConfig
from profl_ray.errors import UserError
from profl_ray.fleet.build import build_fleet
from profl_ray.run.identity import RunIdentity
from profl_ray.run.tracked_run import start_writer
from profl_ray.server.checkpoint import weights_sha256
from profl_ray.server.contents import check_contents
from profl_ray.server.experiment import Experiment, assemble
from profl_ray.server.final_test import final_test
from profl_ray.server.needs import StepNeed
from profl_ray.server.ports import RoundPlayer
from profl_ray.server.record import RoundRecord
from profl_ray.server.rounds import Server
from profl_ray.server.run_folder import Recovered, RunFolder
from profl_ray.server.sharing import SharingServer, shares_rounds
from profl_ray.server.summary import summarise
from profl_ray.signals import held
from profl_ray.tracking import REASON_TAG, NullWriter, Status, Totals, Writer
from profl_ray.tracking.artifacts import log_results, log_setup
from profl_ray.tracking.times import round_times_ms
from profl_ray.training import known_flops

NOTICE_TAG = "profl_ray.notice"


Runnable = tuple[Experiment, list[StepNeed]]
"""An experiment that can be run, and the needs of its steps."""


def check_runnable(config: ExperimentConfig) -> Runnable:
    """Return the experiment and the needs of its steps; UserError if it cannot be put together.

    Unaffordable if some step is beyond all devices. What is found out here is known to the driver later.
    """
    experiment = assemble(config)
    needs = experiment.step_needs(experiment.make_strategy())
    experiment.check_affordable(needs)
    for need in needs:
        known_flops(need.task, experiment.estimate.facts)
    return experiment, needs


class Driver:
    """Runs one experiment from its first, or its next, round to its end."""

    def __init__(
        self, config: ExperimentConfig, identity: RunIdentity, runnable: Runnable | None = None
    ) -> None:
        """Open the run; `runnable`: what `check_runnable` returned for this configuration, if it is known."""
        self.config = config
        self.identity = identity
        self.folder = RunFolder(identity.folder)
        self.records: list[RoundRecord] = []
        self.totals = Totals()
        self.notices: list[str] = []
        """What the user should know of how the run went."""
        self._stop = threading.Event()
        self.experiment, self.needs = runnable or check_runnable(config)
        self.fleet = build_fleet(self.experiment)
        self.writer: Writer = NullWriter()
        try:
            self.server = self._make_server()
            self._open()
            self.num_recovered = len(self.records)
            """Rounds that were there when this driver began."""
        except BaseException as error:
            self.writer.finish("KILLED" if isinstance(error, KeyboardInterrupt) else "FAILED")
            self.folder.release()
            self.fleet.close()
            raise

    @property
    def finished(self) -> bool:
        """Whether the schedule has ended."""
        return self.server.finished

    @property
    def num_steps(self) -> int:
        """Steps of the schedule."""
        return len({need.step for need in self.needs})

    @property
    def sub_models(self) -> str:
        """Digest of the sub-models of steps that compare: runs with the same ones do so at a step's end."""
        compared = [need.task.model for need in self.needs if need.step.compares]
        models = compared or [need.task.model for need in self.needs]
        return sha256(repr(models).encode()).hexdigest()[:16]

    @property
    def share_done(self) -> float:
        """How far the run is, in [0, 1]: steps count alike, rounds by the most that their step may take."""
        if self.finished or not self.records:
            return float(self.finished)
        last = self.records[-1]
        inside = 1.0 if last.step_ended else last.step_round / (self.server.strategy.round_limit + 1)
        return (last.step_index + inside) / self.num_steps

    @property
    def run_id(self) -> str:
        """The run's id: the name of its folder, by which it can be resumed."""
        return self.identity.folder.name

    def play_round(self) -> RoundRecord:
        """Play a round; when this returns, the round is saved and logged."""
        record = self.server.play_round()
        with self._saving(record.round):
            self.folder.append(record)
            if self._checkpoint_due(record) or self.finished:
                self.folder.save(record.round, self.server.snapshot())
        self.records.append(record)
        self.totals = self.totals.plus(record)
        self.writer.log_round(record, self.totals)
        return record

    def run(self, on_round: Callable[[RoundRecord], None] | None = None) -> dict[str, Any]:
        """Play rounds until the end, or until `stop`; return the summary."""
        outcome: Status = "FAILED"
        reason = ""
        try:
            while not self.finished and not self._stop.is_set():
                record = self.play_round()
                if on_round is not None:
                    on_round(record)
            self.save()
            outcome = "FINISHED" if self.finished else "KILLED"
        except KeyboardInterrupt:
            outcome = "KILLED"  # Not by `stop`: the round that was being played is lost, no other.
            raise
        except Exception as error:
            reason = f"{type(error).__name__}: {error}"
            raise
        finally:
            summary = self.close(outcome, reason)
        return summary

    def save(self) -> None:
        """Save the state after the last round, where `storage.checkpoint_every_rounds` did not."""
        if self.records and not self.finished and not self._checkpoint_due(self.records[-1]):
            with self._saving(self.records[-1].round):
                self.folder.save(self.records[-1].round, self.server.snapshot())

    def stop(self) -> None:
        """End after the round that is being played; everything is saved."""
        self._stop.set()

    def status(self) -> dict[str, Any]:
        """Return the state of the run, also while it trains."""
        last = self.records[-1].to_json() if self.records else None
        return {"run_id": self.run_id, "name": self.identity.name, "finished": self.finished, "last": last}

    def summary(self) -> dict[str, Any]:
        """Return the run's figures."""
        figures = summarise(self.records, self.experiment.full_need_mib, self.finished)
        return {
            "run_id": self.run_id,
            "mlflow_run_id": self.writer.run_id,
            "finished": self.finished,
            **figures,
            **(final_test(self.experiment, self.fleet, self.server.strategy) if self.finished else {}),
            "weights_sha256": weights_sha256(self.server.strategy.complete_weights()),
            "rounds_trained": self.server.rounds_trained,
            "rounds_shared": self.server.rounds_shared,
            "notices": list(self.notices),
        }

    def close(self, outcome: Status, reason: str = "") -> dict[str, Any]:
        """Log what a run leaves behind, release the fleet and return the summary.

        `reason`: why the run failed, in one line.
        """
        try:
            summary = self.summary()
            numbers = {k: float(v) for k, v in summary.items() if isinstance(v, int | float)}
            tags = {"profl_ray.weights_sha256": summary["weights_sha256"]}
            tags |= {REASON_TAG: reason} if reason else {}
            self._note_outcome({"status": outcome, "metrics": numbers, "tags": tags})
            self.writer.log_summary(numbers, tags)
            if self.records:
                log_results(self.writer, self.experiment, self.records)
            if undelivered := self.writer.finish(outcome, self.identity.store_patience_seconds):
                self.notices.append(f"{undelivered}; --resume {self.run_id} delivers it when MLflow is back")
                summary["notices"] = list(self.notices)
        finally:
            self.server.close()
            self.folder.release()
            self.fleet.close()
        return summary

    def _make_server(self) -> RoundPlayer:
        if shares_rounds(self.config):
            return SharingServer(self.experiment, self.fleet, self.config.storage.root / "cache" / "rounds")
        return Server(self.experiment, self.fleet)

    def _checkpoint_due(self, record: RoundRecord) -> bool:
        return record.round % self.config.storage.checkpoint_every_rounds == 0

    @contextmanager
    def _saving(self, rounds: int) -> Iterator[None]:
        """Say, when the disk is full or gone, which round could not be saved and what to do."""
        try:
            yield
        except OSError as error:
            raise UserError(
                f"round {rounds} of run {self.run_id} could not be saved: {error.filename}: {error.strerror} "
                "(what was saved before is intact: fix it and resume with --resume)"
            ) from error

    def _open(self) -> None:
        """Begin the run's folder, or resume where it stopped; set the writer."""
        self.folder.acquire(self.identity.patience_seconds)
        if resumed := self.folder.exists:
            self.notices += check_contents(self.folder, self.experiment)
        begun = self.folder if resumed else None
        with held():  # Until it is known which run is to be ended.
            self.writer = writer = start_writer(self.identity, self.config, begun, self.notices)
        if not resumed:
            facts: dict[str, Any] = {"name": self.identity.name, "mlflow_run_id": writer.run_id}
            facts |= {"sub_models": self.sub_models, "contents": self.experiment.contents}
            facts |= {"plugins": self.experiment.plugins}
            self.folder.begin(self.config, facts, self.experiment.split_as_json())
        # Once more when a run is resumed: MLflow may have been away when it began.
        log_setup(writer, self.experiment, self.needs)
        if resumed and (saved := self.folder.latest()) is not None:
            self._resume(saved, writer)

    def _resume(self, saved: Recovered, writer: Writer) -> None:
        """Restore what was saved, as far as it is valid here and now, and log what MLflow lacks of it."""
        self.server.restore(saved.snapshot)
        rounds = self.server.ledger.rounds
        # Of a run that is filled in; what takes the place of others must be newer than they are.
        is_empty = writer.last_round == 0
        times_ms = round_times_ms(self.folder.begun_ms, saved.records) if is_empty else repeat(None)
        self.notices += [f"resumed from round {rounds}: {why}" for why in saved.skipped]
        if self.server.branched:
            # Others take the place of all later rounds, also of those that only MLflow has, though it may not
            # be asked today.
            last_round = max(writer.last_round, len(saved.records))
            self.folder.note_relogging(after=rounds, up_to=last_round)
            if rounds < len(saved.records):
                self.notices.append(
                    f"resumed from round {rounds}: what was shared after it, to round {len(saved.records)}, "
                    "was trained by other code, libraries or fleet settings, or on another processor"
                )
                self.folder.rewind(saved.records[:rounds], self.server.snapshot())
        relogged = self.folder.relogging()
        if rounds < relogged.up_to:
            writer.forget(relogged.after)
        for record, ended_ms in zip(saved.records[:rounds], times_ms, strict=False):
            self.records.append(record)
            self.totals = self.totals.plus(record)
            writer.log_round(record, self.totals, ended_ms)  # Only what the run in MLflow lacks.
        if self.notices:
            writer.log_summary({}, {NOTICE_TAG: "; ".join(self.notices)})

    def _note_outcome(self, outcome: dict[str, Any]) -> None:
        """Note how the run was left, so that its run in MLflow can be made anew."""
        try:
            self.folder.note(outcome=outcome)
        except (OSError, UserError) as error:
            self.notices.append(f"how the run ended could not be noted: {error}")
