"""The round loop: plain Python, one screen, no Ray.

plan -> cohort among the eligible -> fleet trains -> strategy merges -> evaluate -> advance -> one record.
"""

from collections.abc import Mapping
from time import perf_counter
from typing import Any

import numpy as np

from profl_ray.errors import NothingLearnt
from profl_ray.federation import draw_cohort
from profl_ray.memory import MIB, Demand
from profl_ray.randomness import numpy_stream
from profl_ray.server.checkpoint import Snapshot
from profl_ray.server.experiment import Experiment
from profl_ray.server.ledger import Ledger
from profl_ray.server.passes import Pass
from profl_ray.server.ports import Fleet
from profl_ray.server.record import RoundRecord
from profl_ray.strategies import Plan
from profl_ray.training import DeviceOrder, EvaluationSum, GroupOrder, GroupResult, local_flops


class Server:
    """Plays the rounds of one run."""

    def __init__(self, experiment: Experiment, fleet: Fleet) -> None:
        self.experiment = experiment
        self.config = experiment.config
        self.fleet = fleet
        self.strategy = experiment.make_strategy()
        self.ledger = Ledger()
        self.rounds_trained = 0
        """Rounds whose devices this run trained, those that it trained again included."""
        self.rounds_shared = 0
        """Rounds that it took from other runs."""
        self.branched = False
        """Whether it resumes from a state that came about otherwise than it would here and now."""

    @property
    def finished(self) -> bool:
        """Whether the strategy's last step has ended."""
        return self.strategy.finished

    def play_round(self) -> RoundRecord:
        """Play one round and return its record."""
        started = perf_counter()
        plan = self.strategy.plan()
        training = self._pass(plan)
        self.strategy.merge(training.result.sums)
        self.ledger.enter(plan, training.result)
        progress = self.strategy.progress()
        evaluation, survey = None, None
        if progress.step_ended or plan.step_round % self.config.evaluation.every_rounds == 0:
            survey = self._survey(counted=progress.step_ended)
            evaluation = self._evaluate()
        if progress.step_ended and not self.ledger.step_merges:
            raise NothingLearnt(_no_device_trained(plan, training.result))
        self._before_advance()
        self.strategy.advance(progress)
        self.rounds_trained += 1
        need_mib, peak_mib = training.costliest
        return RoundRecord(
            round=self.ledger.rounds,
            stage=plan.step.stage,
            block=plan.step.block,
            step_index=plan.step_index,
            step_round=plan.step_round,
            step_ended=progress.step_ended,
            end_reason=progress.end_reason,
            units_grown=self.strategy.units_grown,
            test_accuracy=evaluation.num_correct / evaluation.num_images if evaluation else None,
            test_loss=evaluation.loss_sum / evaluation.num_images if evaluation else None,
            train_loss=_mean_loss(training.result),
            effective_movement=progress.effective_movement,
            slope=progress.slope,
            need_mib=need_mib,
            measured_peak_mib=peak_mib,
            reduction=1 - need_mib / self.experiment.full_need_mib,
            eligible_share=float(np.mean(training.choice >= 0)),
            cohort=training.cohort,
            trained=training.trained,
            failed=(survey.failed if survey else {}) | training.failed,
            num_devices_ever=len(self.ledger.devices_ever),
            uplink_bytes=self.ledger.uplink_bytes,
            downlink_bytes=self.ledger.downlink_bytes,
            local_flops=training.local_flops + (survey.local_flops if survey and progress.step_ended else 0),
            seconds=perf_counter() - started,
        )

    def snapshot(self) -> Snapshot:
        """Return everything needed to resume after the last round."""
        tensors, facts = self.strategy.state_dict()
        return Snapshot(tensors, {"strategy": facts} | self._counts())

    def restore(self, snapshot: Snapshot) -> None:
        """Resume from a snapshot; `ledger.rounds` is the round after which that is."""
        self.strategy.load_state_dict(snapshot.tensors, snapshot.facts["strategy"])
        self._take_counts(snapshot.facts)

    def close(self) -> None:
        """Release what the server holds beside its fleet: nothing, here."""

    def _counts(self) -> dict[str, Any]:
        counts = {"rounds_trained": self.rounds_trained, "rounds_shared": self.rounds_shared}
        return {"ledger": self.ledger.to_json()} | counts

    def _take_counts(self, counts: Mapping[str, Any]) -> None:
        self.ledger = Ledger.from_json(counts["ledger"])
        self.rounds_trained, self.rounds_shared = counts["rounds_trained"], counts["rounds_shared"]

    def _before_advance(self) -> None:
        """Look at the round between the rule's decision and its carrying out: a hook for sharing rounds."""

    def _pass(self, plan: Plan) -> Pass:
        """Let a cohort do the plan's tasks; who is eligible is a matter of needs and quotas."""
        needs_mib = [self.experiment.estimate(state.task).mib for state in plan.states]
        quotas_mib = self.strategy.quotas_mib()
        choice = self.strategy.assign(needs_mib, quotas_mib)
        peaks_mib = [self._measured_peak_mib(plan, i) if i in choice else 0.0 for i in range(len(needs_mib))]
        generator = numpy_stream(self.config.seed, "cohort", plan.step_index, plan.step_round)
        cohort = draw_cohort(np.flatnonzero(choice >= 0), self.config.federation.cohort_size, generator)
        demands = tuple(Demand(*pair) for pair in zip(needs_mib, peaks_mib, strict=True))
        result = self._train(plan, cohort, choice, quotas_mib, demands)
        flops = local_flops(plan.states, result.reports, self.experiment.estimate.facts)
        return Pass(demands, choice, result, flops)

    def _measured_peak_mib(self, plan: Plan, index: int) -> float:
        """Measure each task once a run, when it is first trained."""
        key = f"{plan.step_index}/{plan.phase}{index}"
        if key not in self.ledger.peaks_bytes:
            self.ledger.peaks_bytes[key] = self.fleet.measure(plan.states[index])
        return self.ledger.peaks_bytes[key] / MIB

    def _train(
        self,
        plan: Plan,
        cohort: np.ndarray,
        choice: np.ndarray,
        quotas_mib: np.ndarray,
        demands: tuple[Demand, ...],
    ) -> GroupResult:
        """Cut the cohort into groups, whose number does not depend on the fleet, and sum them in order."""
        phase = (plan.phase,) if plan.phase else ()
        num_groups = max(1, min(self.config.fleet.cohort_groups, len(cohort)))
        groups = [
            GroupOrder(
                index,
                (*phase, plan.step_index, plan.step_round),
                plan.step_round,
                tuple(
                    DeviceOrder(int(device), int(choice[device]), float(quotas_mib[device]))
                    for device in devices
                ),
                demands,
            )
            for index, devices in enumerate(np.array_split(cohort, num_groups))
            if len(devices)
        ]
        total = GroupResult(0)
        for result in self.fleet.train(groups, plan.states):
            total.absorb(result)
            del result  # Or two groups' sums would be held while the next is made.
        return total

    def _survey(self, counted: bool) -> Pass | None:
        """Let the strategy gather what its evaluation needs.

        Only the survey at a step's end counts as traffic and work: a run needs no other, and how often it is
        evaluated should not change what it costs.
        """
        plan = self.strategy.survey()
        if plan is None:
            return None
        survey = self._pass(plan)
        self.strategy.merge_survey(survey.result.sums)
        if counted:
            self.ledger.enter_traffic(plan, survey.result)
        return survey

    def _evaluate(self) -> EvaluationSum:
        num_images = len(self.experiment.data.test_labels)
        return self.fleet.evaluate(self.strategy.evaluation(), num_images, self.config.evaluation.batch_size)


def _no_device_trained(plan: Plan, result: GroupResult) -> str:
    last = next((report.failure for report in result.reports if report.failure), "no device was drawn")
    return (
        f"step {str(plan.step)!r} ended after {plan.step_round} rounds and no device's update was merged "
        f"(the last reason: {last}); what comes after it would learn from nothing"
    )


def _mean_loss(result: GroupResult) -> float | None:
    losses = [(report.loss, report.num_images) for report in result.reports if report.loss is not None]
    num_images = sum(images for _, images in losses)
    return sum(loss * images for loss, images in losses) / num_images if losses else None
