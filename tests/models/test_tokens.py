"""Nothing assumes images: a family of tokens goes through every plan, need, strategy and prefix."""

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import torch
from torch import nn

from profl_ray.config.load import load_experiment
from profl_ray.errors import UserError
from profl_ray.fleet.in_process import InProcessFleet
from profl_ray.memory.need import SMALLEST_ERROR_MIB, STATED_ERROR
from profl_ray.models import FAMILIES, DistillationPlan, Network, SubModelPlan, initialise, takes_its_inputs
from profl_ray.models.depth import DepthPlan
from profl_ray.server.experiment import Experiment, assemble
from profl_ray.server.record import RoundRecord
from profl_ray.server.rounds import Server
from profl_ray.strategies.base import initial_state
from profl_ray.training.prefix import run_units

from .plain import loaded, on_meta, random_state
from .tokens import LENGTH, NUM_CLASSES, VOCABULARY, TokenFamily, make_tokens

NETWORK = Network("tokens", 1.0, (LENGTH,), NUM_CLASSES, (1, 1, 1))


@pytest.fixture(autouse=True)
def _known(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(FAMILIES, "tokens", TokenFamily())


def tokens(count: int = 5) -> torch.Tensor:
    return make_tokens().inputs.tensor(make_tokens().train_inputs[:count])


def step_plan(block: int) -> SubModelPlan:
    return SubModelPlan(NETWORK, block, tuple(range(block + 1, 4)))


def test_the_last_step_is_the_plain_network() -> None:
    state = random_state(on_meta(step_plan(3).build))
    model = loaded(step_plan(3).build, state).eval()
    inputs = tokens()
    values = state["units.0.0.table.weight"][inputs]
    for index in (1, 2):
        layer = f"units.{index}.0."
        normed = nn.functional.layer_norm(
            values, values.shape[2:], state[f"{layer}norm.weight"], state[f"{layer}norm.bias"]
        )
        linear = nn.functional.linear(normed, state[f"{layer}linear.weight"], state[f"{layer}linear.bias"])
        values = torch.tanh(linear)
    pooled = torch.stack([row[mask].mean(dim=0) for row, mask in zip(values, inputs != 0, strict=True)])
    expected = nn.functional.linear(pooled, state["head.weight"], state["head.bias"])
    torch.testing.assert_close(model(inputs), expected)


def test_teacher_and_student_are_the_sub_models() -> None:
    state = random_state(on_meta(DistillationPlan(NETWORK, 2).build))
    student, teacher = loaded(DistillationPlan(NETWORK, 2).build, state)(tokens())
    assert torch.equal(student, loaded(step_plan(1).build, state)(tokens()))
    own_head = state | {f"head.{k}": state[f"teacher_head.{k}"] for k in ("weight", "bias")}
    assert torch.equal(teacher, loaded(step_plan(2).build, own_head)(tokens()))


def test_exits_pool_as_the_family_does() -> None:
    model = loaded(DepthPlan(NETWORK, 3).build, random_state(on_meta(DepthPlan(NETWORK, 3).build)))
    exits = model(tokens())
    assert [logits.shape for logits in exits] == [(5, NUM_CLASSES)] * 3
    features = model.exits["1"][0](model.units["0"](tokens()))
    torch.testing.assert_close(exits[0], model.exits["1"][1](TokenFamily().pool(features)))
    # Between blocks of equal width there is nothing to do but to pool.
    assert len(model.exits["2"]) == 1


def test_the_familys_rule_comes_first() -> None:
    state = initial_state(step_plan(1), 7)
    assert state["units.0.0.table.weight"].std() == pytest.approx(0.5, rel=0.1)
    bound = 1 / np.sqrt(state["head.weight"].shape[1])
    assert 0.9 * bound < np.abs(state["head.weight"]).max() <= bound
    with pytest.raises(AssertionError, match="no initialisation for Embedding"):
        initialise(step_plan(1).build(), 7)


def test_a_kept_prefix_of_several_tensors_is_the_same(monkeypatch: pytest.MonkeyPatch) -> None:
    model = loaded(step_plan(3).build, random_state(on_meta(step_plan(3).build))).eval()
    inputs = tokens(150)
    values, mask = run_units(model, inputs, 0, 2)
    assert len(values) == len(mask) == 150 and not values.requires_grad
    model.num_skipped = 2
    skipped = model((values, mask))
    model.num_skipped = 0
    torch.testing.assert_close(skipped, model(inputs))


def test_a_family_for_other_inputs_is_refused_in_a_line() -> None:
    assert takes_its_inputs(NETWORK)
    with pytest.raises(UserError, match=r"inputs of 12 are too small for cnn, or of another kind"):
        takes_its_inputs(Network("cnn", 1.0, (LENGTH,), NUM_CLASSES, (2, 2)))


def experiment_of(root: Path, *overrides: str) -> Experiment:
    settings = [
        "model.name=tokens",
        "model.partition=stages",
        "model.width=1",
        "federation.num_devices=6",
        "federation.cohort_size=4",
    ]
    settings += ["federation.quotas.low_fraction=1.1", "federation.quotas.high_fraction=1.2"]
    settings += ["training.local_epochs=2", "training.batch_size=8", "training.learning_rate=0.1"]
    settings += ["freezing.name=fixed_rounds", "freezing.rounds=6", "freezing.min_rounds=1"]
    settings += [f"storage.root={root}"]
    return assemble(load_experiment("digits_tiny", [*settings, *overrides]), lambda _: make_tokens())


def play(experiment: Experiment) -> tuple[Server, list[RoundRecord]]:
    server, records = Server(experiment, InProcessFleet(experiment)), []
    while not server.finished:
        records.append(server.play_round())
    return server, records


@pytest.mark.parametrize(
    "overrides",
    [
        ["strategy.name=fedavg"],
        ["strategy.name=profl", "model.partition=2"],
        ["strategy.name=profl", "strategy.profl.frozen_bn=eval"],
        ["strategy.name=depthfl"],
        ["strategy.name=fedavg", "data.augment=crop_flip"],
    ],
    ids=" ".join,
)
def test_it_trains_under_its_own_estimate(tmp_path: Path, overrides: list[str]) -> None:
    """Quotas hardly above the full need are enforced; nobody fails, and something is learnt."""
    server, records = play(experiment_of(tmp_path, *overrides))
    assert all(record.trained and not record.failed for record in records)
    assert records[-1].test_accuracy is not None and records[-1].test_accuracy > 0.6
    for record in records:
        assert record.measured_peak_mib <= record.need_mib * (1 + STATED_ERROR) + SMALLEST_ERROR_MIB
    table = server.strategy.complete_weights()["units.0.0.table.weight"]
    assert table.shape[0] == VOCABULARY and np.isfinite(table).all()


@pytest.mark.parametrize("num_devices", [6, 20])
def test_devices_are_who_the_examples_come_from(tmp_path: Path, num_devices: int) -> None:
    experiment = experiment_of(
        tmp_path,
        "data.split.name=natural",
        f"federation.num_devices={num_devices}",
        "data.split.own_test=0.2",
    )
    groups = experiment.data.train_groups
    assert groups is not None and experiment.split.own_tests is not None
    pairs = zip(experiment.split.indices, experiment.split.own_tests, strict=True)
    owned = [set(groups[np.concatenate(pair)].tolist()) for pair in pairs]
    assert sum(map(len, owned)) == len(set.union(*owned)) == 20
    assert {len(own) for own in owned} == ({1} if num_devices == 20 else {3, 4})
    with pytest.raises(UserError, match=r"has 20 groups, too few for federation.num_devices=21"):
        experiment_of(tmp_path, "data.split.name=natural", "federation.num_devices=21")


def test_groups_are_a_part_of_what_the_data_are(tmp_path: Path) -> None:
    one = experiment_of(tmp_path)
    groups = one.data.train_groups
    assert groups is not None
    others = [replace(one.data, train_groups=groups[::-1].copy()), replace(one.data, train_groups=None)]
    digests = {replace(one, data=data).data_sha256 for data in (one.data, *others)}
    assert len(digests) == 3
