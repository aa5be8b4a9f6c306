"""What every strategy owes the server. A line in the registry is enough to be held against all of it."""

import pickle
import random
from dataclasses import replace

import numpy as np
import pytest
import torch

from profl_ray.errors import UserError
from profl_ray.fleet.in_process import InProcessFleet
from profl_ray.server.rounds import Server
from profl_ray.strategies.base import initial_state, task_state
from profl_ray.training import DeviceReport, GroupResult

from .play import (
    CASES,
    MAX_ROUNDS,
    case_experiment,
    copied,
    first_choice,
    new_server,
    play,
    same_state,
    step_indices,
    stored,
    timeless,
    trace,
)

STEPS = [pytest.param(case, index, id=f"{case}-{index}") for case in CASES for index in step_indices(case)]
every_case = pytest.mark.parametrize("case", CASES)


@every_case
def test_the_run_ends(case: str) -> None:
    run = trace(case)
    assert run.server.finished and len(run.moments) < MAX_ROUNDS
    assert run.records[-1].step_ended
    assert all(record.trained and not record.failed for record in run.records)


@every_case
def test_the_schedule_is_known_beforehand(case: str) -> None:
    """Every plan's task is in the schedule, and the steps are played in the schedule's order."""
    run = trace(case)
    schedule = run.experiment.make_strategy().schedule()
    assert schedule == run.server.strategy.schedule()
    for moment in run.moments:
        for state in moment.plan.states:
            assert (moment.plan.step, state.task) in schedule
    played = list(dict.fromkeys(moment.plan.step for moment in run.moments))
    assert played == list(dict.fromkeys(step for step, _ in schedule))


@every_case
def test_steps_and_rounds_are_counted(case: str) -> None:
    step_index, step_round = 0, 0
    for record in trace(case).records:
        step_round += 1
        assert (record.step_index, record.step_round) == (step_index, step_round)
        assert bool(record.end_reason) == record.step_ended
        if record.step_ended:
            step_index, step_round = step_index + 1, 0


@every_case
def test_no_step_takes_more_rounds_than_its_limit(case: str) -> None:
    run = trace(case)
    server = new_server(run.experiment)
    for moment in run.moments:
        server.restore(moment.snapshot)
        assert 1 <= moment.plan.step_round <= server.strategy.round_limit


@every_case
def test_units_grown_rise_to_all_units(case: str) -> None:
    run = trace(case)
    grown = [record.units_grown for record in run.records]
    assert grown == sorted(grown) and grown[-1] == run.experiment.network.num_units
    assert run.experiment.make_strategy().units_grown == 0


@every_case
def test_tasks_travel(case: str) -> None:
    """Tasks are keys and messages: equal after pickling, with disjoint layouts that cover the sub-model."""
    for _, task in case_experiment(case).make_strategy().schedule():
        twin = pickle.loads(pickle.dumps(task))
        assert twin == task and hash(twin) == hash(task) and repr(twin) == repr(task)
        with torch.device("meta"):
            module = task.build()
        names = {name for name in module.state_dict() if not name.endswith("num_batches_tracked")}
        assert set(task.moving.names) | set(task.frozen.names) == names
        assert not set(task.moving.names) & set(task.frozen.names)
        trained = {name for name, parameter in module.named_parameters() if parameter.requires_grad}
        assert trained <= set(task.moving.names)


@every_case
def test_planning_changes_nothing(case: str) -> None:
    strategy = case_experiment(case).make_strategy()
    one, other = strategy.plan(), strategy.plan()
    assert (one.step, one.step_index, one.step_round) == (other.step, 0, 1)
    for a, b in zip(one.states, other.states, strict=True):
        assert a.task == b.task and a.frozen_version == b.frozen_version
        assert a.down.tobytes() == b.down.tobytes() and a.frozen.tobytes() == b.frozen.tobytes()
        assert a.down.dtype == a.frozen.dtype == np.float32
        assert (a.down.size, a.frozen.size) == (a.task.moving.size, a.task.frozen.size)


@every_case
def test_no_device_trains_beyond_its_quota(case: str) -> None:
    run = trace(case)
    for moment, record in zip(run.moments, run.records, strict=True):
        needs = [run.experiment.estimate(state.task).mib for state in moment.plan.states]
        quotas_mib = run.server.strategy.quotas_mib()
        assert all(quotas_mib[device] >= min(needs) for device in record.cohort)
        choice = first_choice(run.server.strategy, needs, quotas_mib)
        for device, index in enumerate(choice):
            assert index == -1 or needs[index] <= quotas_mib[device]


@every_case
def test_merging_touches_only_what_was_trained(case: str) -> None:
    changed_at_all = False
    for moment in trace(case).moments:
        assert moment.sums
        trained = {name for index in moment.sums for name in moment.plan.states[index].task.moving.names}
        untouched = [name for name in moment.before if name not in trained]
        assert moment.after.keys() == moment.before.keys()
        assert same_state(moment.after, moment.before, untouched)
        changed_at_all |= not same_state(moment.after, moment.before)
    assert changed_at_all


@every_case
def test_merging_takes_the_mean_over_the_owners(case: str) -> None:
    """Where one task alone owns a whole tensor, the new value is the weighted mean of what was sent."""
    checked = 0
    for moment in trace(case).moments:
        owners: dict[str, list[int]] = {}
        for index in moment.sums:
            for name in moment.plan.states[index].task.moving.names:
                owners.setdefault(name, []).append(index)
        for name, indices in owners.items():
            if len(indices) > 1 or name not in moment.after:
                continue
            addend = moment.sums[indices[0]]
            sent = moment.plan.states[indices[0]].task.moving.unpack(addend.total)[name]
            if sent.shape == moment.after[name].shape:
                np.testing.assert_allclose(moment.after[name], sent / addend.weight, rtol=1e-6, atol=0)
                checked += 1
    assert checked or len(trace(case).moments[0].plan.states) > 1


@every_case
def test_merging_nothing_changes_nothing(case: str) -> None:
    strategy = case_experiment(case).make_strategy()
    before = copied(strategy.complete_weights())
    strategy.merge({}, {})
    assert same_state(strategy.complete_weights(), before)


@every_case
def test_frozen_parts_are_bit_identical_within_a_step(case: str) -> None:
    """Also: a frozen part that changed has a new version, so that no actor goes on with the old one."""
    seen: dict[tuple[object, str], bytes] = {}
    for moment in trace(case).moments:
        for state in moment.plan.states:
            key = (state.task, state.frozen_version)
            assert seen.setdefault(key, state.frozen.tobytes()) == state.frozen.tobytes()


@every_case
def test_the_evaluated_model_has_its_own_frozen_version(case: str) -> None:
    """A resident model keeps its frozen part by version: evaluating must not show it another one."""
    run = trace(case)
    server = new_server(run.experiment)
    seen: dict[tuple[object, str], bytes] = {}
    for moment in run.moments:
        server.restore(moment.snapshot)
        for state in (server.strategy.evaluation(), *server.strategy.plan().states):
            key = (state.task, state.frozen_version)
            assert seen.setdefault(key, state.frozen.tobytes()) == state.frozen.tobytes()


@every_case
def test_the_complete_model_answers_as_the_run_did(case: str) -> None:
    """At the end the complete task with the complete weights answers exactly as the last evaluation did."""
    run = trace(case)
    config, task = run.experiment.config, run.server.strategy.complete_task()
    weights = run.server.strategy.complete_weights()
    plain = initial_state(task.model, 0)
    assert {n: v.shape for n, v in weights.items()} == {n: v.shape for n, v in plain.items()}
    assert all(value.dtype == np.float32 and np.isfinite(value).all() for value in weights.values())
    state = task_state(task, weights, "complete")
    data = run.experiment.data
    outcome = run.server.fleet.evaluate(state, len(data.test_labels), config.evaluation.batch_size)
    last = run.records[-1]
    assert (outcome.accuracy, outcome.loss, outcome.recalls) == (
        last.test_accuracy,
        last.test_loss,
        last.test_recalls,
    )


@every_case
def test_traffic_is_what_was_trained(case: str) -> None:
    surveys = case_experiment(case).make_strategy().surveys(step_ended=True)
    of_survey = sum(state.task.moving.num_bytes for survey in surveys for state in survey.states)
    for moment, record in zip(trace(case).moments, trace(case).records, strict=True):
        sizes = [4 * state.task.moving.size for state in moment.plan.states]
        assert min(sizes) * len(record.trained) <= record.uplink_bytes
        # Only the survey at the end counts.
        surveyed = record.step_ended * case_experiment(case).config.federation.cohort_size
        assert record.uplink_bytes <= max(sizes) * len(record.trained) + of_survey * surveyed


@every_case
def test_the_seed_decides_everything(case: str) -> None:
    """Playing again gives the same run bit for bit, and no global generator is touched."""
    torch_state, python_state = torch.get_rng_state(), random.getstate()
    numpy_state = np.random.get_state()[1].copy()
    again, run = play(case_experiment(case)), trace(case)
    assert torch.equal(torch.get_rng_state(), torch_state) and random.getstate() == python_state
    assert np.array_equal(np.random.get_state()[1], numpy_state)
    assert [timeless(r) for r in again.records] == [timeless(r) for r in run.records]
    ends = [r.server.strategy.complete_weights() for r in (again, run)]
    assert same_state(*ends)


@pytest.mark.parametrize(("case", "step_index"), STEPS)
def test_going_on_equals_the_uninterrupted_run(case: str, step_index: int) -> None:
    """From the state at a step's first round, and from its last one into the next step, bit for bit."""
    run = trace(case)
    rounds = [i for i, moment in enumerate(run.moments) if moment.plan.step_index == step_index]
    for played in (run.moments[rounds[0] : rounds[0] + 1], run.moments[rounds[-1] : rounds[-1] + 2]):
        server = new_server(run.experiment)
        server.restore(played[0].snapshot)
        for moment in played:
            snapshot = server.snapshot()
            assert snapshot.facts == moment.snapshot.facts
            assert same_state(snapshot.tensors, moment.snapshot.tensors)
            assert timeless(server.play_round()) == timeless(moment.record)
    assert server.finished == (rounds[-1] + 2 > len(run.moments))


@every_case
def test_a_finished_run_stays_finished(case: str) -> None:
    run = trace(case)
    server = new_server(run.experiment)
    server.restore(stored(run.server.snapshot()))
    assert server.finished
    assert same_state(server.strategy.complete_weights(), run.server.strategy.complete_weights())
    assert server.strategy.units_grown == run.experiment.network.num_units


class FailingFleet(InProcessFleet):
    """No device's update arrives."""

    def train(self, groups, states) -> list[GroupResult]:
        """Report a failure of every device."""
        return [
            GroupResult(
                group.index,
                reports=[DeviceReport(d.device, d.task_index, 1, None, 0.0, "lost") for d in group.devices],
            )
            for group in groups
        ]


@every_case
def test_rounds_in_which_no_device_trains(case: str) -> None:
    """They change no weight; a step that ends without any update ends the run, and says so."""
    experiment = case_experiment(case)
    server = Server(experiment, FailingFleet(experiment))
    first_step = server.strategy.plan().step
    before = copied(server.strategy.complete_weights())
    with pytest.raises(UserError, match=f"step '{first_step}' ended after .* no device's update was merged"):
        for _ in range(MAX_ROUNDS):
            server.strategy.evaluation()
            record = server.play_round()
            assert record.trained == () and record.uplink_bytes == 0 and record.num_devices_ever == 0
    assert server.strategy.plan().step == first_step
    assert same_state(server.strategy.complete_weights(), before)


@every_case
def test_another_seed_is_another_run(case: str) -> None:
    experiment = case_experiment(case)
    other = replace(experiment, config=experiment.config.model_copy(update={"seed": 43})).make_strategy()
    assert not same_state(experiment.make_strategy().complete_weights(), other.complete_weights())
