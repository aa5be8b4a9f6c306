import weakref
from collections import Counter
from dataclasses import replace

import numpy as np
import pytest
from training.kit import Counting

from profl_ray.errors import UserError
from profl_ray.fleet.in_process import InProcessFleet
from profl_ray.server.checkpoint import read_checkpoint, weights_sha256, write_checkpoint
from profl_ray.server.experiment import assemble
from profl_ray.server.record import RoundRecord
from profl_ray.server.rounds import Server
from profl_ray.strategies.fedavg import FedAvg
from profl_ray.training import Layout

from .kit import STEPS, FakeFleet, short_config, without_seconds


def play(experiment, fleet=None):
    server = Server(experiment, fleet or FakeFleet(experiment))
    records = []
    while not server.finished:
        records.append(server.play_round())
    return server, records


def with_config(experiment, **sections):
    """Return the experiment with values of its configuration replaced: section={key: value}."""
    config = experiment.config
    changed = {name: getattr(config, name).model_copy(update=values) for name, values in sections.items()}
    return replace(experiment, config=config.model_copy(update=changed))


def test_the_rounds_follow_the_schedule(experiment):
    _, records = play(experiment)
    played = [(record.step, record.step_round, record.step_ended) for record in records]
    assert played == [(s, number, number == count) for s, count in STEPS for number in range(1, count + 1)]
    assert [record.round for record in records] == list(range(1, 8))
    assert [record.end_reason for record in records if record.step_ended] == ["fixed_rounds"] * 4
    assert [record.units_grown for record in records] == [0, 0, 0, 0, 2, 2, 4]


def test_no_device_below_the_need_is_in_the_cohort(experiment):
    _, records = play(experiment)
    refused = 0
    for record in records:
        quotas = experiment.quotas_mib
        assert all(quotas[device] >= record.need_mib for device in record.cohort)
        eligible = int((quotas >= record.need_mib).sum())
        assert len(record.cohort) == min(5, eligible)
        assert record.eligible_share == eligible / 8
        refused += 8 - eligible
    assert refused, "the test needs devices that cannot afford a step"


def test_cohorts_differ_from_round_to_round_and_not_from_run_to_run(experiment):
    (_, first), (_, again) = play(experiment), play(experiment)
    assert without_seconds(first) == without_seconds(again)
    assert len({record.cohort for record in first}) > 1


@pytest.mark.parametrize("num_groups", [1, 2, 3, 5, 8])
def test_groups_are_the_cohort_in_order(experiment, num_groups):
    changed = with_config(experiment, fleet={"cohort_groups": num_groups, "num_actors": 7})
    fleet = FakeFleet(changed)
    _, records = play(changed, fleet)
    for groups, record in zip(fleet.calls, records, strict=True):
        assert len(groups) == min(num_groups, len(record.cohort))
        assert [group.index for group in groups] == list(range(len(groups)))
        assert tuple(o.device for group in groups for o in group.devices) == record.cohort == record.trained
        sizes = [len(group.devices) for group in groups]
        assert max(sizes) - min(sizes) <= 1
        for group in groups:
            assert group.stream == (record.step_index, record.step_round)
            demands = {order.demand for order in group.devices}
            (demand,) = demands
            assert (demand.need_mib, demand.measured_peak_mib) == (record.need_mib, 3.0)
            for order in group.devices:
                assert order.quota_mib == experiment.quotas_mib[order.device]


def test_groups_do_not_depend_on_the_fleet(experiment):
    calls = []
    for fleet_options in ({"num_actors": 1}, {"num_actors": 5}, {"backend": "ray", "actor_per_device": True}):
        changed = with_config(experiment, fleet=fleet_options)
        fleet = FakeFleet(changed)
        play(changed, fleet)
        calls.append(fleet.calls)
    assert calls[0] == calls[1] == calls[2]


def test_the_merged_update_is_the_mean_over_images(experiment):
    fleet = FakeFleet(experiment)
    server = Server(experiment, fleet)
    before = server.strategy.plan().states[0]
    record = server.play_round()
    weights = [len(experiment.split.indices[device]) for device in record.cohort]
    shift = np.average(record.cohort, weights=weights)
    after = server.strategy.plan().states[0]
    np.testing.assert_allclose(after.down, before.down + shift, rtol=1e-4, atol=1e-4)
    np.testing.assert_array_equal(after.frozen, before.frozen)
    assert record.train_loss == pytest.approx(shift)


def test_every_step_is_measured_once(experiment):
    fleet = FakeFleet(experiment)
    _, records = play(experiment, fleet)
    assert fleet.measured == [step for step, _ in STEPS]
    assert {record.measured_peak_mib for record in records} == {3.0}


@pytest.mark.parametrize(("every", "evaluated"), [(1, [1] * 7), (2, [0, 1, 1, 0, 1, 0, 1])])
def test_evaluation_is_due_every_so_many_rounds_and_at_a_steps_end(experiment, every, evaluated):
    changed = with_config(experiment, evaluation={"every_rounds": every})
    _, records = play(changed)
    assert [int(record.test_accuracy is not None) for record in records] == evaluated
    assert {record.test_accuracy for record in records} <= {0.5, None}
    assert {record.test_loss for record in records} <= {1.0, None}


# Failures.


def test_failed_devices_are_named_and_not_merged(experiment):
    _, honest = play(experiment)
    failing = set(honest[0].cohort[:2])
    _, records = play(experiment, FakeFleet(experiment, failing))
    for record in records:
        assert set(record.failed) == failing & set(record.cohort)
        assert set(record.trained) == set(record.cohort) - failing
        assert all(reason == "refused" for reason in record.failed.values())
    assert records[0].uplink_bytes == honest[0].uplink_bytes * len(records[0].trained) // len(
        honest[0].cohort
    )


def test_a_round_in_which_no_device_trains_does_not_end_the_run(experiment):
    fleet = FakeFleet(experiment, range(8))
    server = Server(experiment, fleet)
    before = weights_sha256(server.strategy.complete_weights())
    first = server.play_round()
    assert first.trained == () and len(first.failed) == len(first.cohort) > 0
    assert (first.train_loss, first.uplink_bytes, first.num_devices_ever) == (None, 0, 0)
    assert first.downlink_bytes > 0
    assert weights_sha256(server.strategy.complete_weights()) == before
    assert len(server.strategy.pace.snapshots) == 1, (
        "the start alone: a round without updates has no snapshot"
    )
    fleet.failing = set()
    second = server.play_round()
    assert second.trained and second.step_ended and (second.step, second.step_round) == ("shrink 2", 2)
    while not server.finished:
        server.play_round()


def play_to_the_error(server, after_round=lambda server: server):
    records = []
    with pytest.raises(UserError, match="step 'shrink 2' ended after 2 rounds and no device's update"):
        while True:
            records.append(server.play_round())
            server = after_round(server)
    return records


def test_a_round_for_which_no_device_is_eligible_is_survived_and_a_whole_step_is_not(experiment):
    poor = replace(experiment, quotas_mib=np.full(8, 1e-3))
    records = play_to_the_error(Server(poor, FakeFleet(poor)))
    assert len(records) == 1
    assert all(record.cohort == () and record.eligible_share == 0.0 for record in records)


def test_a_run_without_any_update_resumes_from_its_checkpoint(experiment, tmp_path):
    def fleet():
        return FakeFleet(experiment, range(8))

    expected = play_to_the_error(Server(experiment, fleet()))
    records = play_to_the_error(
        Server(experiment, fleet()), lambda server: through_disk(server, experiment, fleet(), tmp_path)
    )
    assert without_seconds(records) == without_seconds(expected)


# Resuming after a stop.


def through_disk(server, experiment, fleet, folder):
    write_checkpoint(folder / "state", server.snapshot())
    resumed = Server(experiment, fleet)
    resumed.restore(read_checkpoint(folder / "state"))
    return resumed


@pytest.fixture(scope="module")
def uninterrupted(experiment):
    server, records = play(experiment, InProcessFleet(experiment))
    return weights_sha256(server.strategy.complete_weights()), records


@pytest.mark.parametrize("stop_after", range(8))
def test_a_resumed_run_equals_the_uninterrupted_one(experiment, uninterrupted, stop_after, tmp_path):
    """Stopped after every round, so in every step and between all steps, and before the first."""
    digest, expected = uninterrupted
    server = Server(experiment, InProcessFleet(experiment))
    records: list[RoundRecord] = [server.play_round() for _ in range(stop_after)]
    server = through_disk(server, experiment, InProcessFleet(experiment), tmp_path)
    while not server.finished:
        records.append(server.play_round())
    assert without_seconds(records) == without_seconds(expected)
    assert weights_sha256(server.strategy.complete_weights()) == digest


OPTIONS = {
    "frozen_bn": ["strategy.profl.frozen_bn=eval"],
    "head": ["strategy.profl.output_module=head"],
    "carry": ["strategy.profl.initialisation=carry", "data.augment=crop_flip"],
    "movement": [
        "freezing.name=effective_movement",
        "freezing.max_rounds=3",
        "freezing.max_shrink_rounds=2",
        "freezing.window_rounds=2",
        "freezing.fit_rounds=2",
        "freezing.patience_rounds=1",
        "freezing.num_scalars=50",
    ],
}


@pytest.mark.parametrize("name", OPTIONS)
def test_stopping_after_every_round_changes_nothing_under_other_options(root, name, tmp_path):
    experiment = assemble(short_config(root, *OPTIONS[name]))
    whole, expected = play(experiment, InProcessFleet(experiment))
    server = Server(experiment, InProcessFleet(experiment))
    records = []
    while not server.finished:
        records.append(server.play_round())
        server = through_disk(server, experiment, InProcessFleet(experiment), tmp_path)
    assert without_seconds(records) == without_seconds(expected)
    ours, theirs = (weights_sha256(s.strategy.complete_weights()) for s in (server, whole))
    assert ours == theirs


def test_the_seed_changes_the_weights(experiment, root, uninterrupted):
    other = assemble(short_config(root, "seed=43"))
    server, _ = play(other, InProcessFleet(other))
    assert weights_sha256(server.strategy.complete_weights()) != uninterrupted[0]


class CountingFleet(FakeFleet):
    """Counts the groups' results that are still held when the next is asked for."""

    most_held = 0

    def train(self, groups, states):
        given = []
        for group in groups:
            result = self._train(group, states)
            given.append(weakref.ref(result))
            yield result
            del result
            self.most_held = max(self.most_held, sum(ref() is not None for ref in given))


def test_no_groups_result_is_held_once_it_is_added(experiment):
    """So the server's memory grows neither with the cohort nor with the number of its groups."""
    fleet = CountingFleet(experiment)
    server, records = play(experiment, fleet)
    expected_server, expected = play(experiment)
    assert fleet.most_held == 0
    assert without_seconds(records) == without_seconds(expected)
    assert weights_sha256(server.strategy.complete_weights()) == weights_sha256(
        expected_server.strategy.complete_weights()
    )


# Who may is law; who does is the strategy's choice.


class Assigned(FedAvg):
    """Gives tasks as a test says."""

    chosen = staticmethod(lambda cohort, affordable: affordable.argmax(axis=1))

    def assign(self, cohort, affordable):
        return self.chosen(cohort, affordable)


def assigned_server(experiment, chosen, tasks=None):
    server = Server(experiment, FakeFleet(experiment))
    strategy = Assigned(server.strategy.context)
    strategy.chosen = chosen
    if tasks is not None:
        strategy.tasks = lambda: tasks
    server.strategy = strategy
    return server


@pytest.mark.parametrize("index", [1, -1, 5])
def test_a_strategy_cannot_give_a_device_what_it_cannot_afford(root, index):
    experiment = assemble(short_config(root, "strategy.name=fedavg", "strategy.fedavg.variant=exclusive"))
    full = experiment.make_strategy().tasks()[0]
    larger = replace(full, procedure=replace(full.procedure, batch_size=20 * full.procedure.batch_size))
    server = assigned_server(
        experiment, lambda cohort, affordable: np.full(len(cohort), index), [full, larger]
    )
    allowed = r"strategy fedavg gives device \d+ task -?\d+, which it cannot afford \(allowed: \[0\]\)"
    with pytest.raises(ValueError, match=allowed):
        server.play_round()
    assert not server.fleet.calls


def test_a_strategy_may_give_less_than_a_device_could_afford(root):
    experiment = assemble(short_config(root, "strategy.name=fedavg"))
    full = experiment.make_strategy().tasks()[0]
    half = replace(full, step="half")
    server = assigned_server(experiment, lambda cohort, affordable: np.arange(len(cohort)) % 2, [full, half])
    server.play_round()
    given = [order.task_index for group in server.fleet.calls[0] for order in group.devices]
    assert given == [0, 1, 0, 1, 0]


def test_a_plan_may_ask_for_a_cohort_of_its_own_size(root):
    experiment = assemble(short_config(root, "strategy.name=fedavg"))
    server = assigned_server(experiment, Assigned.chosen)
    plan = replace(server.strategy.plan(), cohort_size=2)
    assert len(server.do(plan).cohort) == 2 and len(server.do(server.strategy.plan()).cohort) == 5


# What devices keep and tell.


def counting_server(experiment, fleet):
    server = Server(experiment, fleet)
    task = server.strategy.task
    procedure = Counting(1, task.batch_size, task.procedure.optimizer, num_classes=10)
    server.strategy.task = replace(task, procedure=procedure)
    return server


def test_what_devices_keep_comes_back_to_them_also_after_a_resume(root):
    experiment = assemble(short_config(root, "strategy.name=fedavg", "strategy.rounds=6"))
    fleet = InProcessFleet(experiment)
    whole, half = counting_server(experiment, fleet), counting_server(experiment, fleet)
    told = []
    whole.strategy.merge = lambda sums, heard: (told.append(heard), FedAvg.merge(whole.strategy, sums, heard))
    records = [whole.play_round() for _ in range(6)]
    drawn = Counter(device for record in records for device in record.trained)
    assert {d: int(whole.shelf.of(d, Layout.of({"rounds": (1,)}))["rounds"][0]) for d in drawn} == drawn
    assert [set(heard) for heard in told] == [set(record.trained) for record in records]
    plain = Server(experiment, fleet)
    first = plain.play_round()
    assert records[0].uplink_bytes == first.uplink_bytes + 40 * len(first.trained), "what is told is traffic"
    for _ in range(3):
        half.play_round()
    resumed = counting_server(experiment, fleet)
    resumed.restore(half.snapshot())
    for _ in range(3):
        resumed.play_round()
    assert weights_sha256(resumed.state().tensors) == weights_sha256(whole.state().tensors)


def test_a_device_that_fails_keeps_what_it_had(root):
    experiment = assemble(short_config(root, "strategy.name=fedavg", "federation.cohort_size=8"))
    server = counting_server(experiment, InProcessFleet(experiment))
    server.play_round()
    optimizer = replace(server.strategy.task.procedure.optimizer, learning_rate=1e30)
    broken = replace(server.strategy.task.procedure, optimizer=optimizer)
    before = server.shelf.tensors()
    server.strategy.task = replace(server.strategy.task, procedure=broken)
    assert not server.play_round().trained
    assert weights_sha256(server.shelf.tensors()) == weights_sha256(before)


# The learning rate from round to round.


def rates_of(root, *overrides):
    experiment = assemble(short_config(root, *overrides))
    server = Server(experiment, FakeFleet(experiment))
    records = [server.play_round() for _ in range(40) if not server.finished]
    factors = [groups[0].rate_factor for groups in server.fleet.calls]
    return records, factors


def test_a_schedule_goes_over_the_run_or_over_every_step(root):
    _, constant = rates_of(root)
    assert set(constant) == {1.0}
    records, over_steps = rates_of(root, "training.schedule=cosine", "training.schedule_over=step")
    assert over_steps == pytest.approx([1, 0.5, 1, 1, 0.5, 1, 0.5])
    assert records[1].figures["learning_rate_factor"] == pytest.approx(0.5)
    assert "learning_rate_factor" not in records[0].figures
    _, over_run = rates_of(root, "training.schedule=cosine")
    assert over_run == sorted(over_run, reverse=True) and over_run[0] == 1 and over_run[-1] < 0.1
    _, fedavg = rates_of(root, "training.schedule=step", "strategy.name=fedavg", "strategy.rounds=8")
    assert fedavg == pytest.approx([1, 1, 1, 1, 0.1, 0.1, 0.01, 0.01])


def test_a_rate_reaches_the_devices(root):
    weights = []
    falling = ("training.schedule=step", "training.learning_rate=0.5")
    for settings in (("training.learning_rate=0.05",), falling):
        experiment = assemble(short_config(root, "strategy.name=fedavg", "strategy.rounds=2", *settings))
        server = Server(experiment, InProcessFleet(experiment))
        # The second round's rate is the same for both: of two rounds, half are done before it.
        start = server.strategy.state_dict()
        server.play_round()
        server.strategy.load_state_dict(start[0], start[1] | {"rounds_done": 1})
        server.play_round()
        weights.append(weights_sha256(server.strategy.complete_weights()))
    assert weights[0] == weights[1]
