import json
from types import SimpleNamespace

from profl_ray.server.ledger import Ledger
from profl_ray.training import DeviceReport, GroupResult

MOVING, FROZEN = 100, 1000


def make_plan(step_index=0, num_tasks=1, step_round=1, version="0"):
    states = tuple(
        SimpleNamespace(
            task=SimpleNamespace(
                moving=moving,
                down=moving,
                frozen=SimpleNamespace(num_bytes=FROZEN * 10**index),
                procedure=SimpleNamespace(sent=lambda task: task.moving),
            ),
            frozen_version=version,
            density=1.0,
        )
        for index in range(num_tasks)
        for moving in [SimpleNamespace(num_bytes=MOVING * 10**index)]
    )
    return SimpleNamespace(phase="", step_index=step_index, step_round=step_round, states=states)


def result_of(*devices, failed=(), task_index=0):
    reports = [
        DeviceReport(device, task_index, 5, None, 0.0, "lost" if device in failed else None)
        for device in devices
    ]
    return GroupResult(0, {}, reports)


def test_what_is_sent_back_is_what_was_trained():
    ledger = Ledger()
    ledger.enter(make_plan(), result_of(1, 2, 3, failed=(2,)))
    assert ledger.uplink_bytes == 2 * MOVING
    assert ledger.downlink_bytes == 3 * (MOVING + FROZEN)
    assert ledger.devices_ever == {1, 3}


def test_the_frozen_part_goes_down_once_per_step_and_device():
    ledger = Ledger()
    ledger.enter(make_plan(0), result_of(1, 2))
    ledger.enter(make_plan(0), result_of(2, 3))
    assert ledger.downlink_bytes == 2 * MOVING + FROZEN
    ledger.enter(make_plan(0), result_of(1, 2, 3))
    assert ledger.downlink_bytes == 3 * MOVING
    ledger.enter(make_plan(1), result_of(1, 2))
    assert ledger.downlink_bytes == 2 * (MOVING + FROZEN), "another step, another frozen part"
    assert ledger.rounds == 4


def test_a_frozen_part_that_changed_goes_down_again():
    ledger = Ledger()
    for version in ("1", "1", "2"):
        ledger.enter(make_plan(version=version), result_of(1))
    assert ledger.downlink_bytes == MOVING + FROZEN


def test_a_pass_beside_the_training_has_traffic_but_no_device_takes_part_in_it():
    ledger = Ledger()
    ledger.enter(make_plan(), result_of(1))
    ledger.enter_traffic(make_plan(version="statistics"), result_of(2))
    assert (ledger.uplink_bytes, ledger.devices_ever) == (2 * MOVING, {1})


def test_steps_whose_numbers_begin_alike_are_not_confused():
    ledger = Ledger()
    ledger.enter(make_plan(11), result_of(1))
    ledger.enter(make_plan(1), result_of(1))
    assert ledger.downlink_bytes == MOVING + FROZEN


def test_every_task_has_its_own_sizes_and_holders():
    ledger = Ledger()
    ledger.enter(make_plan(num_tasks=2), result_of(1, task_index=0))
    ledger.enter(make_plan(num_tasks=2), result_of(1, task_index=1))
    assert (ledger.uplink_bytes, ledger.downlink_bytes) == (10 * MOVING, 10 * (MOVING + FROZEN))


def test_a_failed_device_counts_as_a_holder_but_not_as_one_that_took_part():
    ledger = Ledger()
    ledger.enter(make_plan(), result_of(1, failed=(1,)))
    assert (ledger.uplink_bytes, ledger.devices_ever) == (0, set())
    ledger.enter(make_plan(), result_of(1))
    assert ledger.downlink_bytes == MOVING
    assert ledger.devices_ever == {1}


def test_it_survives_json():
    ledger = Ledger(peaks_bytes={"0/0": 5})
    ledger.enter(make_plan(), result_of(11, 2, failed=(2,)))
    back = Ledger.from_json(json.loads(json.dumps(ledger.to_json())))
    for each in (ledger, back):
        each.enter(make_plan(), result_of(2, 4))
    assert back == ledger


def test_merges_are_counted_within_a_step():
    ledger = Ledger()
    merged = GroupResult(0, {0: SimpleNamespace()}, [])
    for step_round, result, expected in ((1, merged, 1), (2, merged, 2), (3, GroupResult(0), 2)):
        ledger.enter(make_plan(step_round=step_round), result)
        assert ledger.step_merges == expected
    ledger.enter(make_plan(1, step_round=1), GroupResult(0))
    assert ledger.step_merges == 0


def test_no_device_is_kept_as_a_holder_of_nothing():
    """Where the whole model moves, the ledger, and so the checkpoint, does not grow with the devices."""
    plan = make_plan()
    plan.states[0].task.frozen.num_bytes = 0
    ledger = Ledger()
    ledger.enter(plan, result_of(1, 2))
    assert ledger.downlink_bytes == 2 * MOVING
    assert ledger.holders == {}
