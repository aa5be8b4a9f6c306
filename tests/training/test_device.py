"""What a procedure knows of its device, and what the worker makes of its outcome."""

from dataclasses import dataclass, replace

import numpy as np
import pytest
import torch
from torch import nn
from torch.nn import functional

from profl_ray.models import Network, SubModelPlan
from profl_ray.randomness import numpy_stream
from profl_ray.training import (
    NOTHING,
    Device,
    GroupResult,
    Layout,
    LocalTask,
    Outcome,
    Procedure,
    shared_stream,
)

from .kit import TASK, TRAINING, Counting, make_data, make_order, make_state, make_worker

LABELS = torch.arange(20) % 4
COUNTING = replace(TASK, procedure=Counting(2, 8, TRAINING.optimizer))


@dataclass(frozen=True)
class Scalars(Procedure):
    """Sends three numbers, and counts every device alike."""

    batch_size: int = 8
    size: int = 3
    weight: float = 1.0
    value: float = 2.0

    def sent(self, task):
        return Layout.of({"scalars": (3,)})

    def begin(self, model):
        return lambda inputs, labels: functional.cross_entropy(model(inputs), labels)

    def work(self, model, task, device):
        return Outcome(0.5, self.weight, np.full(self.size, self.value, np.float32))


def device(number: int, **changes) -> Device:
    return replace(Device(number, torch.zeros(20, 1, 8, 8), LABELS, seed=7, stream=(3, 1)), **changes)


def test_an_own_stream_is_named_after_round_and_device() -> None:
    drawn = device(5).own("local").random(3)
    np.testing.assert_array_equal(drawn, numpy_stream(7, "local", 3, 1, 5).random(3))
    others = [device(6), device(5, stream=(3, 2)), device(5, seed=8)]
    assert all(not np.array_equal(other.own("local").random(3), drawn) for other in others)
    assert not np.array_equal(device(5).own("noise").random(3), drawn)


def test_a_shared_stream_is_the_same_for_all_and_on_the_server() -> None:
    drawn = device(5).shared("direction", 4).random(3)
    np.testing.assert_array_equal(drawn, device(6).shared("direction", 4).random(3))
    np.testing.assert_array_equal(drawn, shared_stream(7, (3, 1), "direction", 4).random(3))
    assert not np.array_equal(drawn, device(5).shared("direction", 5).random(3))
    assert not np.array_equal(drawn, device(5, stream=(3, 2)).shared("direction", 4).random(3))


def test_an_epoch_is_every_example_once() -> None:
    inputs = torch.arange(20.0).reshape(20, 1, 1, 1).expand(20, 1, 8, 8)
    mine = device(1, inputs=inputs)
    batches = list(mine.epoch(mine.own("local"), 8))
    assert [len(labels) for _, labels in batches] == [8, 8, 4]
    order = torch.cat([batch[:, 0, 0, 0] for batch, _ in batches])
    assert sorted(order.tolist()) == list(range(20)) and order.tolist() != list(range(20))
    assert torch.equal(torch.cat([labels for _, labels in batches]), LABELS[order.long()])


def test_what_is_told_and_kept_comes_back_by_device() -> None:
    worker = make_worker()
    result = worker.train(make_order(0, 2), [make_state(COUNTING)])
    labels = {number: worker.data.train_labels[worker.split.indices[number]] for number in (0, 2)}
    assert result.told.keys() == result.kept.keys() == {0, 2}
    for number, state in result.told.items():
        assert state["counts"].tolist() == np.bincount(labels[number]).tolist()
    assert [report.figures for report in result.reports] == [{"times_drawn": 1.0}] * 2
    order = make_order(0, 2)
    held = replace(order.devices[0], kept=result.kept[0])
    again = worker.train(replace(order, devices=(held, order.devices[1])), [make_state(COUNTING)])
    assert [again.kept[number]["rounds"].tolist() for number in (0, 2)] == [[2], [1]]
    plain = make_worker().train(make_order(0, 2), [make_state()])
    np.testing.assert_array_equal(result.sums[0].total, plain.sums[0].total)


def test_a_device_that_fails_tells_and_keeps_nothing() -> None:
    broken = replace(COUNTING, procedure=COUNTING.procedure.with_learning_rate(1e30))
    result = make_worker().train(make_order(0), [make_state(broken)])
    assert result.reports[0].failure and not result.told and not result.kept


def test_a_procedure_may_send_something_else_than_weights() -> None:
    state = make_state(replace(TASK, procedure=Scalars()))
    (addend,) = make_worker().train(make_order(0, 1, 2), [state]).sums.values()
    assert addend.total.tolist() == [6, 6, 6] and addend.weight == 3


@pytest.mark.parametrize(
    ("procedure", "words"),
    [
        (Scalars(size=4), r"an update of float32 \[4\] with weight 1.0 \(allowed: float32 \[3\]"),
        (Scalars(weight=0.0), "with weight 0.0"),
        (Scalars(weight=float("nan")), "with weight nan"),
    ],
)
def test_an_update_that_is_not_as_the_procedure_says_is_an_error(procedure, words) -> None:
    with pytest.raises(ValueError, match=f"Scalars of grow 2: .*{words}"):
        make_worker().train(make_order(0), [make_state(replace(TASK, procedure=procedure))])


def test_what_is_told_must_be_as_the_procedure_says() -> None:
    class Silent(Counting):
        def tells(self, task):
            return NOTHING

    silent = replace(TASK, procedure=Silent(1, 8, TRAINING.optimizer))
    with pytest.raises(ValueError, match=r"Silent of grow 2: it tells .*counts.* and says that it tells"):
        make_worker().train(make_order(0), [make_state(silent)])


def test_nan_that_is_told_is_the_devices_failure() -> None:
    class Broken(Counting):
        def work(self, model, task, device):
            outcome = super().work(model, task, device)
            return replace(outcome, told={"counts": np.full(4, np.nan, np.float32)})

    broken = make_state(replace(TASK, procedure=Broken(1, 8, TRAINING.optimizer)))
    result: GroupResult = make_worker().train(make_order(0, 1), [broken])
    assert all("NaN or infinity" in report.failure for report in result.reports) and not result.sums


# Draws inside libraries.


@dataclass(frozen=True)
class DropoutPlan:
    """The plain network behind a dropout."""

    network: Network
    prefix_limit = 0

    def build(self) -> nn.Module:
        return nn.Sequential(nn.Dropout(0.5), SubModelPlan(self.network, self.network.num_blocks).build())


def test_dropout_draws_from_the_devices_own_stream() -> None:
    task = LocalTask("train", DropoutPlan(TASK.model.network), TRAINING, ("",), ("",))
    states, data = [make_state(task)], make_data()
    alone = [make_worker(data=data).train(make_order(number), states).sums[0].total for number in (0, 1)]
    torch.manual_seed(99)
    before = torch.get_rng_state()
    together = make_worker(data=data).train(make_order(0, 1), states)
    assert torch.equal(torch.get_rng_state(), before)
    np.testing.assert_array_equal(together.sums[0].total, alone[0] + alone[1])
    other_round = make_worker(data=data).train(make_order(0, step_round=2), states)
    assert not np.array_equal(other_round.sums[0].total, alone[0])
