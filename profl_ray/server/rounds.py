"""The round loop: plain Python, one screen, no Ray.

plan -> cohort among the eligible -> fleet trains -> strategy merges -> evaluate -> advance -> one record.
"""

from collections.abc import Mapping
from dataclasses import dataclass, replace
from time import perf_counter
from typing import Any

import numpy as np

from profl_ray.errors import NothingLearnt
from profl_ray.federation import Part, draw_cohort
from profl_ray.memory import MIB, Demand
from profl_ray.randomness import numpy_stream
from profl_ray.server.checkpoint import Snapshot
from profl_ray.server.experiment import Experiment
from profl_ray.server.figures import over_devices, round_figures
from profl_ray.server.ledger import Ledger
from profl_ray.server.passes import Pass
from profl_ray.server.ports import Fleet
from profl_ray.server.record import RoundRecord
from profl_ray.server.shelf import Shelf
from profl_ray.server.ways import find_ways, recompute_figures
from profl_ray.strategies import Plan, Progress
from profl_ray.training import DeviceOrder, EvaluationSum, GroupOrder, GroupResult, local_flops, rate_factor


@dataclass(frozen=True)
class Played:
    """A round whose devices have trained, before its rule's decision is carried out."""

    started: float
    plan: Plan
    training: Pass
    surveys: tuple[Pass, ...]
    """What the evaluation needed."""
    progress: Progress
    evaluation: EvaluationSum | None
    figures: dict[str, float]
    """Those of the strategy and of the devices: they do not depend on the rule that paces the step."""


class Server:
    """Plays the rounds of one run."""

    rounds_shared = 0
    """Rounds that it took from other runs: none, here."""
    branched = False
    """Whether it resumes from a state that came about otherwise than it would here and now: never, here."""

    def __init__(self, experiment: Experiment, fleet: Fleet) -> None:
        self.experiment = experiment
        self.config = experiment.config
        self.fleet = fleet
        self.strategy = experiment.make_strategy()
        self.ledger = Ledger()
        self.shelf = Shelf()
        self.num_steps = len({step for step, _ in self.strategy.schedule()})
        self.rounds_trained = 0
        """Rounds whose devices this run trained, those that it trained again included."""

    @property
    def finished(self) -> bool:
        """Whether the strategy's last step has ended."""
        return self.strategy.finished

    def play_round(self) -> RoundRecord:
        """Play one round and return its record."""
        return self.end_round(self.train_round())

    def train_round(self) -> Played:
        """Train, merge and evaluate; the strategy stays where it is."""
        started = perf_counter()
        plan = self.strategy.plan()
        training = self.do(plan)
        self.strategy.merge(training.result.sums, training.result.told)
        self.ledger.enter(plan, training.result)
        progress = self.strategy.progress()
        evaluation, surveys = None, []
        if progress.step_ended or plan.step_round % self.config.evaluation.every_rounds == 0:
            for wanted in self.strategy.surveys(progress.step_ended):
                surveys.append(self._survey(wanted, counted=progress.step_ended))
            evaluation = self.evaluate(self.experiment.chosen_by)
        if progress.step_ended and not self.ledger.step_merges:
            raise NothingLearnt(_no_device_trained(plan, training.result))
        reports = [report for done in (training, *surveys) for report in done.result.reports]
        told = training.figures | over_devices(reports) | self.strategy.figures()
        figures = round_figures(self.strategy.name, told)
        return Played(started, plan, training, tuple(surveys), progress, evaluation, figures)

    def end_round(self, played: Played) -> RoundRecord:
        """Let the strategy go on, and return the record."""
        plan, training, evaluation = played.plan, played.training, played.evaluation
        progress = played.progress
        self.strategy.advance(progress)
        self.rounds_trained += 1
        need_mib, peak_mib = training.costliest
        counted = played.surveys if progress.step_ended else ()
        failed = {device: why for survey in played.surveys for device, why in survey.failed.items()}
        return RoundRecord(
            round=self.ledger.rounds,
            stage=plan.step.stage,
            block=plan.step.block,
            step_index=plan.step_index,
            step_round=plan.step_round,
            step_ended=progress.step_ended,
            end_reason=progress.end_reason,
            compares=plan.step.compares,
            units_grown=self.strategy.units_grown,
            test_accuracy=evaluation.accuracy if evaluation else None,
            test_loss=evaluation.loss if evaluation else None,
            test_recalls=evaluation.recalls if evaluation else None,
            train_loss=_mean_loss(training.result),
            need_mib=need_mib,
            measured_peak_mib=peak_mib,
            reduction=1 - need_mib / self.experiment.full_need_mib,
            eligible_share=training.eligible_share,
            cohort=training.cohort,
            trained=training.trained,
            failed=failed | training.failed,
            num_devices_ever=len(self.ledger.devices_ever),
            uplink_bytes=self.ledger.uplink_bytes,
            downlink_bytes=self.ledger.downlink_bytes,
            local_flops=training.local_flops + sum(survey.local_flops for survey in counted),
            figures=round_figures(self.strategy.name, progress.figures) | played.figures,
            seconds=perf_counter() - played.started,
        )

    def state(self) -> Snapshot:
        """Return what training depends on: the strategy's state and what devices keep."""
        tensors, facts = self.strategy.state_dict()
        return Snapshot(tensors | self.shelf.tensors(), {"strategy": facts})

    def load(self, state: Snapshot) -> None:
        """Take back what `state` returned."""
        self.strategy.load_state_dict(self.shelf.load(state.tensors), state.facts["strategy"])

    def counts(self) -> dict[str, Any]:
        """Return what was counted so far, ready for JSON."""
        return {"ledger": self.ledger.to_json(), "rounds_trained": self.rounds_trained}

    def take_counts(self, counts: Mapping[str, Any]) -> None:
        """Take back what `counts` returned."""
        self.ledger = Ledger.from_json(counts["ledger"])
        self.rounds_trained = counts["rounds_trained"]

    def snapshot(self) -> Snapshot:
        """Return everything needed to resume after the last round."""
        state = self.state()
        return Snapshot(state.tensors, state.facts | self.counts())

    def restore(self, snapshot: Snapshot) -> None:
        """Resume from a snapshot; `ledger.rounds` is the round after which that is."""
        self.load(snapshot)
        self.take_counts(snapshot.facts)

    def evaluate(self, part: Part) -> EvaluationSum:
        """Evaluate what the strategy has now on a part of the examples."""
        num_examples, batch_size = self.experiment.num_evaluated(part), self.config.evaluation.batch_size
        return self.fleet.evaluate(self.strategy.evaluation(), num_examples, batch_size, part)

    def close(self) -> None:
        """Release what the server holds beside its fleet: nothing, here."""

    def do(self, plan: Plan) -> Pass:
        """Let a cohort do the plan's tasks.

        Who may do what is law (needs and quotas); who does what is the strategy's choice within it.
        """
        quotas_mib = self.strategy.quotas_mib()
        recompute = self.config.training.recompute
        ways = [find_ways(s.task, quotas_mib, recompute, self.experiment.estimate) for s in plan.states]
        recomputed = np.stack([each.recomputed for each in ways], axis=1)
        affordable = recomputed >= 0
        eligible = np.flatnonzero(affordable.any(axis=1))
        generator = numpy_stream(self.config.seed, "cohort", plan.step_index, plan.step_round)
        cohort = draw_cohort(eligible, plan.cohort_size or self.config.federation.cohort_size, generator)
        chosen = self._assigned(cohort, affordable[cohort])
        # With what the others would train first, so that a table of needs does not depend on the draw.
        in_reach = np.union1d(affordable[eligible].argmax(axis=1), chosen).astype(int).tolist()
        done = {(index, ways[index].costliest) for index in in_reach}
        done |= set(zip(chosen.tolist(), recomputed[cohort, chosen].tolist(), strict=True))
        demands = {
            (index, count): Demand(ways[index].needs_mib[count], self._measured_peak_mib(plan, index, count))
            for index, count in sorted(done)
        }
        keeps = [state.task.procedure.keeps(state.task) for state in plan.states]
        orders = []
        for device, index in zip(cohort.tolist(), chosen.tolist(), strict=True):
            count = int(recomputed[device, index])
            kept, demand = self.shelf.of(device, keeps[index]), demands[index, count]
            orders.append(DeviceOrder(device, index, float(quotas_mib[device]), demand, count, kept))
        factor = self._rate_factor(plan)
        # The number of groups does not depend on the fleet, and they are summed in order.
        num_groups = max(1, min(self.config.fleet.cohort_groups, len(orders)))
        pieces = [p.tolist() for p in np.array_split(np.arange(len(orders)), num_groups) if len(p)]
        groups = [
            GroupOrder(number, plan.stream, plan.step_round, tuple(orders[p] for p in piece), factor)
            for number, piece in enumerate(pieces)
        ]
        total = GroupResult(0)
        for result in self.fleet.train(groups, plan.states):
            total.absorb(result)
            del result  # Or two groups' sums would be held while the next is made.
        self.shelf.put_away(total.kept)
        flops = local_flops(plan.states, total.reports, self.experiment.estimate.facts)
        out_of_reach = tuple(Demand(max(each.needs_mib.values()), 0.0) for each in ways)
        figures = {} if factor == 1 else {"learning_rate_factor": factor}
        if recompute != "none":
            tasks = [plan.states[index].task for index in in_reach or range(len(ways))]
            figures |= recompute_figures(tasks, total.reports, self.experiment.estimate)
        share = len(eligible) / len(quotas_mib)
        return Pass(tuple(demands.values()) or out_of_reach, share, total, flops, figures)

    def _rate_factor(self, plan: Plan) -> float:
        """Return by what the round's learning rate differs from the configured one."""
        share_done = (plan.step_round - 1) / self.strategy.round_limit
        if self.config.training.schedule_over == "run":
            share_done = (plan.step_index + share_done) / self.num_steps
        return rate_factor(self.config.training, share_done)

    def _assigned(self, cohort: np.ndarray, affordable: np.ndarray) -> np.ndarray:
        """Return the task of each device of the cohort; ValueError if the strategy breaks the law."""
        chosen = np.asarray(self.strategy.assign(cohort, affordable), np.int64)
        lawful = (chosen >= 0) & (chosen < affordable.shape[1])
        lawful[lawful] &= affordable[np.flatnonzero(lawful), chosen[lawful]]
        if not lawful.all():
            device, index = cohort[~lawful][0], chosen[~lawful][0]
            raise ValueError(
                f"strategy {self.strategy.name} gives device {device} task {index}, which it cannot afford "
                f"(allowed: {np.flatnonzero(affordable[~lawful][0]).tolist()})"
            )
        return chosen

    def _measured_peak_mib(self, plan: Plan, index: int, recomputed: int) -> float:
        """Measure each task, in each way, once a run, when it is first trained so."""
        way = f" with {recomputed} recomputed" if recomputed else ""
        key = f"{plan.step_index}/{plan.phase}{index}{way}"
        if key not in self.ledger.peaks_bytes:
            state = plan.states[index]
            self.ledger.peaks_bytes[key] = self.fleet.measure(
                replace(state, task=state.task.recomputing(recomputed))
            )
        return self.ledger.peaks_bytes[key] / MIB

    def _survey(self, plan: Plan, counted: bool) -> Pass:
        """Do a pass for an evaluation.

        Only those at a step's end count as traffic and work: a run needs no other, and how often it is
        evaluated should not change what it costs.
        """
        survey = self.do(plan)
        self.strategy.merge_survey(plan, survey.result.sums, survey.result.told)
        if counted:
            self.ledger.enter_traffic(plan, survey.result)
        return survey


def _no_device_trained(plan: Plan, result: GroupResult) -> str:
    last = next((report.failure for report in result.reports if report.failure), "no device was drawn")
    return (
        f"step {str(plan.step)!r} ended after {plan.step_round} rounds and no device's update was merged "
        f"(the last reason: {last}); what comes after it would learn from nothing"
    )


def _mean_loss(result: GroupResult) -> float | None:
    losses = [(report.loss, report.num_examples) for report in result.reports if report.loss is not None]
    num_examples = sum(count for _, count in losses)
    return sum(loss * count for loss, count in losses) / num_examples if losses else None
