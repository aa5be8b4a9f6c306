"""What every strategy owes the server: a class of tests to put yours into."""

import pickle
import random
from collections.abc import Iterator, Sequence
from dataclasses import replace
from functools import cache
from typing import ClassVar

import numpy as np
import pytest
import torch

from profl_ray.errors import UserError
from profl_ray.fleet.in_process import InProcessFleet
from profl_ray.server.experiment import Experiment
from profl_ray.server.rounds import Server
from profl_ray.strategies.base import initial_state, task_state
from profl_ray.testing.merging import mean_over_owners, sends_what_moves
from profl_ray.testing.play import (
    MAX_ROUNDS,
    Trace,
    copied,
    new_server,
    play,
    same_state,
    stored,
    timeless,
    tiny_experiment,
    unmeasured,
)
from profl_ray.training import DeviceReport, GroupOrder, GroupResult, TaskState

experiment_of = cache(tiny_experiment)
"""The tiny experiment of these settings, made once."""


@cache
def trace_of(*overrides: str) -> Trace:
    """Return the run of these settings, played once."""
    return play(experiment_of(*overrides))


class FailingFleet(InProcessFleet):
    """No device's update arrives."""

    def train(self, groups: Sequence[GroupOrder], states: Sequence[TaskState]) -> Iterator[GroupResult]:
        """Report a failure of every device."""
        for group in groups:
            lost = [DeviceReport(d.device, d.task_index, 1, None, 0.0, "lost") for d in group.devices]
            yield GroupResult(group.index, reports=lost)


class StrategyContract:
    """Put `class TestMine(StrategyContract): strategy = "./mine.py:Mine"` into a test file of yours.

    The strategy is played on a tiny federation of digits: six devices of two kinds, of which one cannot train
    the whole network. What yours does otherwise, and means to, is said by the class's attributes and methods.
    """

    strategy: ClassVar[str]
    """A name of ours, FILE.py:CLASS or package.module:CLASS."""
    overrides: ClassVar[tuple[str, ...]] = ()
    """Settings of the case, `key=value`."""
    respects_quotas: ClassVar[bool] = True
    """False for a reference that ignores what devices have."""

    def merged(self, before: np.ndarray, mean: np.ndarray) -> np.ndarray:
        """Return what a tensor becomes where devices own it: the mean of what they sent, float64.

        Override it for a server that does something else with the mean.
        """
        return mean

    @pytest.fixture
    def experiment(self) -> Experiment:
        """Return the tiny experiment of the case."""
        return experiment_of(f"strategy.name={self.strategy}", *self.overrides)

    @pytest.fixture
    def run(self) -> Trace:
        """Return the case's run, played once for all tests."""
        return trace_of(f"strategy.name={self.strategy}", *self.overrides)

    def test_the_run_ends(self, run: Trace) -> None:
        """All rounds train, none fails, and the last one ends the last step."""
        assert run.server.finished and len(run.moments) < MAX_ROUNDS
        assert run.records[-1].step_ended
        assert all(record.trained and not record.failed for record in run.records)

    def test_the_schedule_is_known_beforehand(self, run: Trace) -> None:
        """Every plan's task is in the schedule, and the steps are played in the schedule's order."""
        schedule = run.experiment.make_strategy().schedule()
        assert schedule == run.server.strategy.schedule()
        for moment in run.moments:
            for state in moment.plan.states:
                assert (moment.plan.step, state.task) in schedule
        played = list(dict.fromkeys(moment.plan.step for moment in run.moments))
        assert played == list(dict.fromkeys(step for step, _ in schedule))

    def test_steps_and_rounds_are_counted(self, run: Trace) -> None:
        """Indices of steps and rounds rise by one; an end has its reason."""
        step_index, step_round = 0, 0
        for record in run.records:
            step_round += 1
            assert (record.step_index, record.step_round) == (step_index, step_round)
            assert bool(record.end_reason) == record.step_ended
            if record.step_ended:
                step_index, step_round = step_index + 1, 0

    def test_no_step_takes_more_rounds_than_its_limit(self, run: Trace) -> None:
        """`round_limit` is kept in every round."""
        server = new_server(run.experiment)
        for moment in run.moments:
            server.restore(moment.snapshot)
            assert 1 <= moment.plan.step_round <= server.strategy.round_limit

    def test_units_grown_rise_to_all_units(self, run: Trace) -> None:
        """From none at the beginning to all at the end."""
        grown = [record.units_grown for record in run.records]
        assert grown == sorted(grown) and grown[-1] == run.experiment.network.num_units
        assert run.experiment.make_strategy().units_grown == 0

    def test_tasks_travel(self, experiment: Experiment) -> None:
        """Tasks are keys and messages: equal after pickling; their disjoint layouts cover the sub-model."""
        for _, task in experiment.make_strategy().schedule():
            twin = pickle.loads(pickle.dumps(task))
            assert twin == task and hash(twin) == hash(task) and repr(twin) == repr(task)
            with torch.device("meta"):
                module = task.build()
            names = {name for name in module.state_dict() if not name.endswith("num_batches_tracked")}
            assert set(task.down.names) | set(task.frozen.names) == names
            assert set(task.moving.names) <= set(task.down.names)
            assert not set(task.down.names) & set(task.frozen.names)
            trained = {name for name, parameter in module.named_parameters() if parameter.requires_grad}
            assert trained <= set(task.moving.names)

    def test_planning_changes_nothing(self, experiment: Experiment) -> None:
        """Two plans in a row are the same, bit for bit, and fit their layouts."""
        strategy = experiment.make_strategy()
        one, other = strategy.plan(), strategy.plan()
        assert (one.step, one.step_index, one.step_round) == (other.step, 0, 1)
        for a, b in zip(one.states, other.states, strict=True):
            assert a.task == b.task and a.frozen_version == b.frozen_version
            assert a.down.tobytes() == b.down.tobytes() and a.frozen.tobytes() == b.frozen.tobytes()
            assert a.down.dtype == a.frozen.dtype == np.float32
            assert (a.down.size, a.frozen.size) == (a.task.down.size, a.task.frozen.size)

    def test_no_device_trains_beyond_its_quota(self, run: Trace) -> None:
        """By what the devices report: the need of the task that each did lies within what it has."""
        quotas_mib = run.server.strategy.quotas_mib()
        if self.respects_quotas:
            assert np.array_equal(quotas_mib, run.experiment.quotas_mib)
        done = 0
        for moment in run.moments:
            for plan, work in moment.passes:
                needs_mib = [run.experiment.estimate(state.task).mib for state in plan.states]
                for report in work.result.reports:
                    assert needs_mib[report.task_index] <= quotas_mib[report.device], report
                    done += report.failure is None
        assert done

    def test_merging_is_the_mean_over_the_owners(self, run: Trace) -> None:
        """Per coordinate, over the devices that own it; where nobody does, every bit stays as it was."""
        compared = 0
        for moment in run.moments:
            assert moment.sums and moment.after.keys() == moment.before.keys()
            assert all(sends_what_moves(moment.plan.states[index].task) for index in moment.sums)
            for name, mean, owned in mean_over_owners(run.experiment, moment):
                before, after = moment.before[name], moment.after[name]
                assert before[~owned].tobytes() == after[~owned].tobytes(), name
                expected = self.merged(before, mean)
                np.testing.assert_allclose(after[owned], expected[owned], rtol=2e-6, atol=1e-9, err_msg=name)
                compared += int(owned.sum())
        assert compared

    def test_training_changes_the_complete_model(self, run: Trace) -> None:
        """Some round does, or nothing was learnt."""
        assert any(not same_state(moment.after, moment.before) for moment in run.moments)

    def test_merging_nothing_changes_nothing(self, experiment: Experiment) -> None:
        """A round in which no update arrived leaves the weights alone."""
        strategy = experiment.make_strategy()
        before = copied(strategy.complete_weights())
        strategy.merge({}, {})
        assert same_state(strategy.complete_weights(), before)

    def test_frozen_parts_are_bit_identical_within_a_version(self, run: Trace) -> None:
        """A frozen part that changed has a new version, so that no actor continues with the old one."""
        seen: dict[tuple[object, str], bytes] = {}
        for moment in run.moments:
            for state in moment.plan.states:
                key = (state.task, state.frozen_version)
                assert seen.setdefault(key, state.frozen.tobytes()) == state.frozen.tobytes()

    def test_the_evaluated_model_has_its_own_frozen_version(self, run: Trace) -> None:
        """A resident model keeps its frozen part by version: evaluating must not show it another one."""
        server = new_server(run.experiment)
        seen: dict[tuple[object, str], bytes] = {}
        for moment in run.moments:
            server.restore(moment.snapshot)
            for state in (server.strategy.evaluation(), *server.strategy.plan().states):
                key = (state.task, state.frozen_version)
                assert seen.setdefault(key, state.frozen.tobytes()) == state.frozen.tobytes()

    def test_the_complete_model_answers_as_the_run_did(self, run: Trace) -> None:
        """At the end the complete task with the complete weights answers as the last evaluation did."""
        config, task = run.experiment.config, run.server.strategy.complete_task()
        weights = run.server.strategy.complete_weights()
        plain = initial_state(task.model, 0)
        assert {n: v.shape for n, v in weights.items()} == {n: v.shape for n, v in plain.items()}
        assert all(value.dtype == np.float32 and np.isfinite(value).all() for value in weights.values())
        state = task_state(task, weights, "complete")
        num_examples = len(run.experiment.data.test_labels)
        outcome = run.server.fleet.evaluate(state, num_examples, config.evaluation.batch_size)
        last = run.records[-1]
        found = (outcome.accuracy, outcome.loss, outcome.recalls)
        assert found == (last.test_accuracy, last.test_loss, last.test_recalls)

    def test_traffic_is_what_the_layouts_say(self, run: Trace) -> None:
        """To the byte: what moves goes down to all, and up from those that trained; frozen parts go once."""
        held: dict[tuple[int, str, int, int], str] = {}
        for moment, record in zip(run.moments, run.records, strict=True):
            up = down = 0
            # Surveys count at the end of a step alone.
            for plan, work in moment.passes if record.step_ended else moment.passes[:1]:
                for report in work.result.reports:
                    state = plan.states[report.task_index]
                    holder = (plan.step_index, plan.phase, report.task_index, report.device)
                    down += round(4 * state.task.down.size * state.density)
                    if state.task.frozen.size and held.get(holder) != state.frozen_version:
                        down += 4 * state.task.frozen.size
                        held[holder] = state.frozen_version
                    if report.failure is None:
                        sent = state.task.procedure.sent(state.task)
                        density = state.density if sent == state.task.moving else 1.0
                        told = state.task.procedure.tells(state.task)
                        up += round(4 * sent.size * density) + 4 * told.size
            assert (record.uplink_bytes, record.downlink_bytes) == (up, down)

    def test_the_seed_decides_everything(self, experiment: Experiment, run: Trace) -> None:
        """Playing again gives the same run bit for bit, and no global generator is touched."""
        torch_state, python_state = torch.get_rng_state(), random.getstate()
        numpy_state = np.random.get_state()
        again = play(experiment)
        assert torch.equal(torch.get_rng_state(), torch_state) and random.getstate() == python_state
        assert pickle.dumps(np.random.get_state()) == pickle.dumps(numpy_state)
        assert len(again.records) == len(run.records)
        for one, other in zip(again.records, run.records, strict=True):
            first, second = timeless(one).to_json(), timeless(other).to_json()
            assert {key: value for key, value in first.items() if second[key] != value} == {}
            assert one.measured_peak_mib == pytest.approx(other.measured_peak_mib, rel=0.01)
        ends = [r.server.strategy.complete_weights() for r in (again, run)]
        assert same_state(ends[0], ends[1])

    def test_another_seed_is_another_run(self, experiment: Experiment) -> None:
        """Initial weights come from the root seed."""
        config = experiment.config.model_copy(update={"seed": experiment.config.seed + 1})
        other = replace(experiment, config=config).make_strategy()
        assert not same_state(experiment.make_strategy().complete_weights(), other.complete_weights())

    def test_a_resumed_run_equals_the_uninterrupted_one(self, run: Trace) -> None:
        """From each step's first round, and from its last one into the next step, bit for bit."""
        for step_index in range(run.num_steps):
            rounds = [i for i, moment in enumerate(run.moments) if moment.plan.step_index == step_index]
            for played in (run.moments[rounds[0] : rounds[0] + 1], run.moments[rounds[-1] : rounds[-1] + 2]):
                server = new_server(run.experiment)
                server.restore(played[0].snapshot)
                for moment in played:
                    snapshot = server.snapshot()
                    assert unmeasured(snapshot.facts) == unmeasured(moment.snapshot.facts)
                    assert same_state(snapshot.tensors, moment.snapshot.tensors)
                    assert moment.record is not None
                    assert timeless(server.play_round()) == timeless(moment.record)
            assert server.finished == (rounds[-1] + 2 > len(run.moments))

    def test_a_finished_run_stays_finished(self, run: Trace) -> None:
        """The last state is the end also for one who reads it from a checkpoint."""
        server = new_server(run.experiment)
        server.restore(stored(run.server.snapshot()))
        assert server.finished
        assert same_state(server.strategy.complete_weights(), run.server.strategy.complete_weights())
        assert server.strategy.units_grown == run.experiment.network.num_units

    def test_rounds_in_which_no_device_trains(self, experiment: Experiment) -> None:
        """They change no weight; a step that ends without any update ends the run, and says so."""
        server = Server(experiment, FailingFleet(experiment))
        first_step = server.strategy.plan().step
        before = copied(server.strategy.complete_weights())
        wanted = f"step '{first_step}' ended after .* no device's update was merged"
        with pytest.raises(UserError, match=wanted):
            for _ in range(MAX_ROUNDS):
                server.strategy.evaluation()
                record = server.play_round()
                assert record.trained == () and record.uplink_bytes == 0 and record.num_devices_ever == 0
        assert server.strategy.plan().step == first_step
        assert same_state(server.strategy.complete_weights(), before)
