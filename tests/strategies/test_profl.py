"""ProFL against its paper: schedule, what each step trains, Map, initial weights, frozen batch norm."""

from dataclasses import dataclass
from math import prod

import numpy as np
import pytest
import torch
from freezing.reference import effective_movement
from torch import nn

from profl_ray.models import FAMILIES, Convolutional
from profl_ray.models.unit import Unit
from profl_ray.server.rounds import Server
from profl_ray.strategies import Step
from profl_ray.strategies.profl import ProFL, profl_steps
from profl_ray.training import Calibration, State, TaskSum

from .play import copied, new_server, play, random_sum, same_state, tiny_experiment, trace

FOUR = "model.partition=[1,1,1,1]"


def strategy(*overrides: str) -> ProFL:
    made = tiny_experiment(*overrides).make_strategy()
    assert isinstance(made, ProFL)
    return made


def profl_of(server: Server) -> ProFL:
    assert isinstance(server.strategy, ProFL)
    return server.strategy


def end_step(profl: ProFL) -> None:
    """End the current step without training."""
    index = profl.step_index
    while profl.step_index == index:
        profl.advance(profl.progress())


def go_to(profl: ProFL, stage: str, block: int) -> None:
    while profl.step != Step(stage, block):
        end_step(profl)


def of_prefix(state: State, *prefixes: str) -> State:
    return {name: value for name, value in state.items() if name.startswith(prefixes)}


def words(steps: list[Step]) -> list[str]:
    return [str(step) for step in steps]


# The schedule.


def test_schedule_of_the_paper() -> None:
    steps = "shrink 4, map 4, shrink 3, map 3, shrink 2, map 2, grow 1, grow 2, grow 3, grow 4"
    assert words(profl_steps(4, ProFL.Options())) == steps.split(", ")


@pytest.mark.parametrize(
    ("num_blocks", "options", "steps"),
    [
        (1, {}, "grow 1"),
        (2, {}, "shrink 2, map 2, grow 1, grow 2"),
        (1, {"frozen_bn": "eval"}, "grow 1"),
        (2, {"frozen_bn": "eval"}, "calibrate, shrink 2, map 2, grow 1, grow 2"),
        (3, {"shrinking": False}, "grow 1, grow 2, grow 3"),
        (3, {"shrinking": False, "frozen_bn": "eval"}, "grow 1, grow 2, grow 3"),
        (2, {"output_module": "head"}, "shrink 2, grow 1, grow 2"),
        (2, {"map_rounds": 0}, "shrink 2, grow 1, grow 2"),
    ],
)
def test_schedule_of_variants(num_blocks: int, options: dict, steps: str) -> None:
    assert words(profl_steps(num_blocks, ProFL.Options(**options))) == steps.split(", ")


# What is trained (check 2).


def trained_modules(task) -> set[str]:
    """Return the modules of the parameters that the optimizer is really given: `units.2`, `head`."""
    model = task.build()
    given = {id(p) for p in task.procedure.optimizer.of(model).parameters}
    names = [name for name, parameter in model.named_parameters() if id(parameter) in given]
    assert all(p.requires_grad == (id(p) in given) for p in model.parameters())
    return {
        n.split(".")[0] if n.startswith(("head", "teacher")) else ".".join(n.split(".")[:2]) for n in names
    }


# By step: what is trained, and what else the sub-model holds (sections 3 to 5). A unit is a block here, so
# block t is units.(t-1).
FOUR_BLOCKS = {
    "shrink 4": ("units.3 head", "units.0 units.1 units.2"),
    "map 4": ("proxies.4 head", "units.0 units.1 units.2 units.3 teacher_head"),
    "shrink 3": ("units.2 proxies.4 head", "units.0 units.1"),
    "map 3": ("proxies.3", "units.0 units.1 units.2 proxies.4 head teacher_head"),
    "shrink 2": ("units.1 proxies.3 proxies.4 head", "units.0"),
    "map 2": ("proxies.2", "units.0 units.1 proxies.3 proxies.4 head teacher_head"),
    "grow 1": ("units.0 proxies.2 proxies.3 proxies.4 head", ""),
    "grow 2": ("units.1 proxies.3 proxies.4 head", "units.0"),
    "grow 3": ("units.2 proxies.4 head", "units.0 units.1"),
    "grow 4": ("units.3 head", "units.0 units.1 units.2"),
}
TWO_BLOCKS = {
    "shrink 2": ("units.2 units.3 head", "units.0 units.1"),
    "map 2": ("proxies.2 head", "units.0 units.1 units.2 units.3 teacher_head"),
    "grow 1": ("units.0 units.1 proxies.2 head", ""),
    "grow 2": ("units.2 units.3 head", "units.0 units.1"),
}
ONE_BLOCK = {"grow 1": ("units.0 units.1 units.2 units.3 head", "")}


@pytest.mark.parametrize("frozen_bn", ["batch", "eval"])
@pytest.mark.parametrize(
    ("partition", "expected"), [("[1,1,1,1]", FOUR_BLOCKS), ("[2,2]", TWO_BLOCKS), ("[4]", ONE_BLOCK)]
)
def test_what_each_step_trains(partition: str, expected: dict, frozen_bn: str) -> None:
    profl = strategy(f"model.partition={partition}", f"strategy.profl.frozen_bn={frozen_bn}")
    schedule = {str(step): task for step, task in profl.schedule() if step.stage != "calibrate"}
    assert schedule.keys() == expected.keys()
    for step, (trained, held) in expected.items():
        assert trained_modules(schedule[step]) == set(trained.split())
        children = dict(schedule[step].build().named_modules())
        names = {n for n in children if n.count(".") == 1 and not n.startswith(("head", "teacher"))}
        names |= {"head", "teacher_head"} & children.keys()
        assert names == set(trained.split()) | set(held.split())


def test_calibration_trains_nothing_and_needs_no_optimizer() -> None:
    profl = strategy(FOUR, "strategy.profl.frozen_bn=eval")
    step, task = profl.schedule()[0]
    model = task.build()
    assert step == Step("calibrate") and len(model.units) == 3
    assert task.procedure == Calibration(8)
    assert not any(parameter.requires_grad for parameter in model.parameters())
    assert all(name.endswith(("running_mean", "running_var")) for name in task.moving.names)
    assert len(task.moving.names) == 6


def test_a_head_only_output_module_trains_block_and_fc() -> None:
    profl = strategy(FOUR, "strategy.profl.output_module=head", "strategy.profl.shrinking=false")
    for block, (_, task) in enumerate(profl.schedule(), 1):
        assert trained_modules(task) == {f"units.{block - 1}", "head"}
        assert task.build().head.in_features == (4, 8, 16, 16)[block - 1]


@pytest.mark.parametrize("case", ["profl", "profl eval"])
def test_a_round_leaves_everything_frozen_bit_identical(case: str) -> None:
    """Over real rounds: parameters outside the trained set keep every bit, trained ones do move."""
    experiment = trace(case).experiment
    server = new_server(experiment)
    profl = profl_of(server)
    eval_policy = experiment.config.strategy.profl.frozen_bn == "eval"
    num_merges = 0

    def watched(sums, told) -> None:
        nonlocal num_merges
        num_merges += 1
        step, task, before = profl.step, profl.plan().states[0].task, copied(profl.weights)
        kept = {block: copied(output) for block, output in profl.kept_outputs.items()}
        ProFL.merge(profl, sums, told)
        changed = {name for name in before if not same_state(before, profl.weights, [name])}
        statistics = {name for name in changed if name.endswith(("running_mean", "running_var"))}
        trained = changed - statistics
        assert profl.weights.keys() == before.keys()
        assert all(name.startswith(task.trainable) for name in trained)
        assert bool(trained) == (step.stage != "calibrate")
        if step.stage == "map":
            assert not statistics
        elif eval_policy and step.stage != "calibrate":
            active = profl._sub_model(step).unit_names(step.block)
            assert statistics and all(name.startswith(active) for name in statistics)
        assert all(same_state(profl.kept_outputs[block], output) for block, output in kept.items())

    profl.merge = watched  # type: ignore[method-assign]
    while not server.finished:
        server.play_round()
    assert num_merges == len(trace(case).moments)


def test_bytes_up_count_what_was_trained_and_moving_statistics() -> None:
    """Counted by hand from the widths 4, 8, 16, 16 (check 7); nothing that is frozen goes up."""
    run = trace("profl eval")
    convs = {unit: 9 * a * b for unit, (a, b) in enumerate([(1, 4), (4, 8), (8, 16), (16, 16)])}
    unit = {index: convs[index] + 4 * out for index, out in enumerate((4, 8, 16, 16))}
    proxy2, proxy3, head = 9 * 4 * 16, 9 * 16 * 16, 16 * 10 + 10
    scalars = {
        "calibrate": 2 * (4 + 8 + 16),
        "shrink 3": unit[3] + head,
        "map 3": proxy3 + head,
        "shrink 2": unit[1] + unit[2] + proxy3 + head,
        "map 2": proxy2,
        "grow 1": unit[0] + proxy2 + proxy3 + head,
        "grow 2": unit[1] + unit[2] + proxy3 + head,
        "grow 3": unit[3] + head,
    }
    for moment, record in zip(run.moments, run.records, strict=True):
        assert record.uplink_bytes == 4 * scalars[str(moment.plan.step)] * len(record.trained)
    downs = [record.downlink_bytes for record in run.records if (record.stage, record.block) == ("grow", 3)]
    frozen = unit[0] + unit[1] + unit[2]
    assert downs[0] == 4 * (scalars["grow 3"] + frozen) * len(run.records[-2].cohort)
    assert downs[1] < downs[0]  # Who holds the frozen blocks already is not sent them again.


def test_batch_policy_sends_the_statistics_of_frozen_blocks_too() -> None:
    tasks = {
        frozen_bn: strategy(FOUR, f"strategy.profl.frozen_bn={frozen_bn}") for frozen_bn in ("batch", "eval")
    }
    moving = {}
    for frozen_bn, profl in tasks.items():
        schedule = {str(step): task for step, task in profl.schedule()}
        moving[frozen_bn] = schedule["grow 3"].moving
    extra = set(moving["batch"].names) - set(moving["eval"].names)
    assert extra == {f"units.{i}.1.running_{kind}" for i in (0, 1) for kind in ("mean", "var")}
    assert sum(prod(s) for s in moving["batch"].shapes) - moving["eval"].size == 2 * (4 + 8)


# Map (check 3).


@dataclass(frozen=True)
class Convolutions(Convolutional):
    """Units that are exactly what a proxy is: one 3x3 convolution, no bias, nothing behind it."""

    stages: tuple[int, ...] = (1, 1, 1)

    def units(self, input_shape: tuple[int, ...], width: float, rate: float) -> list[Unit]:
        units, in_channels = [], input_shape[0]
        for out_channels, stride in ((4, 1), (6, 2), (8, 2)):
            layer = nn.Conv2d(in_channels, out_channels, 3, stride=stride, padding=1, bias=False)
            units.append(Unit(layer, in_channels=in_channels, out_channels=out_channels, stride=stride))
            in_channels = out_channels
        return units


@pytest.fixture
def convolutions(monkeypatch: pytest.MonkeyPatch):
    """Return an experiment whose blocks can be told by a proxy exactly."""
    monkeypatch.setitem(FAMILIES, "convolutions", Convolutions())
    return tiny_experiment(
        "model.name=convolutions",
        "model.partition=stages",
        "training.weight_decay=0",
        "federation.quotas.fractions=[2,3]",
    )


@pytest.mark.parametrize("block", [3, 2])
def test_map_onto_an_equal_proxy_has_loss_zero(convolutions, block: int) -> None:
    server = new_server(convolutions)
    profl = profl_of(server)
    go_to(profl, "map", block)
    proxy, real = f"proxies.{block}.weight", f"units.{block - 1}.0.weight"
    assert server.play_round().train_loss > 1e-4  # Not equal yet.
    profl.weights[proxy] = profl.weights[real].copy()
    profl.weights |= {f"head.{k}": profl.weights[f"teacher_head.{k}"].copy() for k in ("weight", "bias")}
    before = {n: v.copy() for n, v in profl.weights.items() if not n.startswith("teacher_head.")}
    assert server.play_round().train_loss == 0.0
    for name, value in before.items():  # Not bit for bit: a weighted mean of equal values rounds.
        np.testing.assert_allclose(profl.weights[name], value, rtol=1e-6, atol=0)


@pytest.mark.parametrize("block", [3, 2])
def test_map_changes_the_proxy_alone_and_lowers_its_loss(block: int) -> None:
    experiment = tiny_experiment("strategy.profl.map_rounds=4", "strategy.profl.map_learning_rate=0.01")
    server = new_server(experiment)
    profl = profl_of(server)
    go_to(profl, "map", block)
    before = copied(profl.weights)
    losses = [server.play_round().train_loss for _ in range(3)]
    changed = {n for n in before if not same_state(before, profl.weights, [n])}
    head = {"head.weight", "head.bias"} if block == 3 else set()
    assert changed == {f"proxies.{block}.weight"} | head
    assert losses[2] < losses[0]


def test_the_teacher_is_the_model_that_shrinking_trained() -> None:
    """Its logits in Map are those of the sub-model at the end of the shrinking step."""
    profl = strategy()
    images = torch.randn(5, 1, 8, 8, generator=torch.Generator().manual_seed(0))
    for block in (3, 2):
        go_to(profl, "shrink", block)
        profl.merge({0: random_sum(profl.plan().states[0].task.moving, 3, block)}, {})
        trained = logits_of(profl.plan().states[0], images)
        end_step(profl)
        student, teacher = logits_of(profl.plan().states[0], images)
        assert torch.equal(teacher, trained)
        # The student is what is evaluated, before and after Map has changed it.
        assert torch.equal(student, logits_of(profl.evaluation(), images))
        profl.merge({0: random_sum(profl.plan().states[0].task.moving, 3, block)}, {})
        student, teacher = logits_of(profl.plan().states[0], images)
        assert torch.equal(teacher, trained)
        assert torch.equal(student, logits_of(profl.evaluation(), images))
    go_to(profl, "grow", 1)
    assert not of_prefix(profl.weights, "teacher_head.")


def loaded_model(state) -> nn.Module:
    model = state.task.build()
    tensors = model.state_dict()
    state.task.moving.load(tensors, state.down)
    state.task.frozen.load(tensors, state.frozen)
    return model


@torch.no_grad()
def logits_of(state, images: torch.Tensor):
    """Return what the state's model answers in evaluation mode."""
    return loaded_model(state).eval()(images)


# Initial weights (sections 4 and 5).


def shrunk(*overrides: str) -> tuple[ProFL, dict[str, State], State]:
    """Return the strategy at grow 1, the weights at the end of every step before, and the fresh ones."""
    profl = strategy(*overrides)
    fresh, ends = copied(profl.weights), {}
    while profl.step.stage != "grow":
        step = profl.step
        profl.merge({0: random_sum(profl.plan().states[0].task.moving, 2, profl.step_index)}, {})
        ends[str(step)] = copied(profl.weights)
        end_step(profl)
    return profl, ends, fresh


def test_growing_starts_from_what_shrinking_left() -> None:
    profl, ends, fresh = shrunk()
    assert same_state(
        of_prefix(profl.weights, "units.0."), of_prefix(fresh, "units.0."), ["units.0.0.weight"]
    )  # Block 1 is fresh,
    assert same_state(
        of_prefix(profl.weights, "units.1.", "units.2."), of_prefix(ends["shrink 2"], "units.1.", "units.2.")
    )
    # block 3 as shrinking step 3 left it: no later step trained it,
    assert same_state(of_prefix(profl.weights, "units.3."), of_prefix(ends["shrink 3"], "units.3."))
    # and the output module as the last Map left it.
    output = of_prefix(ends["map 2"], "proxies.", "head.")
    assert same_state(of_prefix(profl.weights, "proxies.", "head."), output)


def test_corresponding_output_modules_come_from_the_matching_shrinking_step() -> None:
    profl, ends, _ = shrunk()
    for block in (2, 3):
        profl.merge({0: random_sum(profl.plan().states[0].task.moving, 2, 50 + block)}, {})
        carried = copied(profl.weights)
        end_step(profl)
        assert profl.step == Step("grow", block)
        prefixes = (*(f"proxies.{later}." for later in range(block + 1, 4)), "head.")
        expected = of_prefix(ends[f"shrink {block}"], *prefixes)
        assert same_state(of_prefix(profl.weights, *prefixes), expected)
        assert not same_state(of_prefix(carried, *prefixes), expected)
        assert same_state(of_prefix(profl.weights, "units."), of_prefix(carried, "units."))


def test_carry_keeps_the_output_module_of_the_last_growing_step() -> None:
    profl, _, _ = shrunk("strategy.profl.initialisation=carry")
    for block in (2, 3):
        profl.merge({0: random_sum(profl.plan().states[0].task.moving, 2, 50 + block)}, {})
        before = copied(profl.weights)
        end_step(profl)
        assert profl.step == Step("grow", block)
        assert same_state(profl.weights, before)


def test_without_shrinking_everything_is_fresh_and_carried() -> None:
    profl = strategy("strategy.profl.shrinking=false")
    shrinking = strategy()
    assert same_state(profl.weights, shrinking.weights) and not profl.kept_outputs
    profl.merge({0: random_sum(profl.plan().states[0].task.moving, 2)}, {})
    before = copied(profl.weights)
    end_step(profl)
    assert same_state(profl.weights, before)


def test_heads_of_their_own_are_fresh_or_those_of_shrinking() -> None:
    profl, ends, _ = shrunk("strategy.profl.output_module=head")
    assert profl.weights["head.weight"].shape == (10, 4)
    for block, channels in ((2, 16), (3, 16)):
        end_step(profl)
        assert profl.weights["head.weight"].shape == (10, channels)
        assert same_state(of_prefix(profl.weights, "head."), of_prefix(ends[f"shrink {block}"], "head."))


# Effective movement (check 4).


def test_only_the_active_blocks_parameters_count_as_movement() -> None:
    for overrides in ((), ("strategy.profl.frozen_bn=eval",)):
        profl = strategy(
            *overrides, "freezing.window_rounds=2", "freezing.max_rounds=99", "freezing.rounds=99"
        )
        go_to(profl, "grow", 2)
        expected = {f"units.{unit}.{name}" for unit in (1, 2) for name in ("0.weight", "1.weight", "1.bias")}
        assert set(profl.pace.names) == expected


def test_statistics_and_output_module_alone_are_no_movement() -> None:
    overrides = ("freezing.window_rounds=2", "freezing.max_rounds=99", "freezing.name=effective_movement")
    profl = strategy(*overrides, "freezing.max_shrink_rounds=1")
    go_to(profl, "grow", 2)
    task = profl.plan().states[0].task
    for round_index in range(3):
        weights = task.moving.unpack(random_sum(task.moving, 1, round_index).total.copy())
        weights |= {name: profl.weights[name] for name in profl.pace.names}
        profl.merge({0: TaskSum(task.moving.pack(weights), 1)}, {})
        progress = profl.progress()
        profl.advance(progress)
    assert progress.figures["effective_movement"] == 0.0
    drifting = {name: profl.weights[name] + np.float32(0.25) for name in profl.pace.names}
    for _ in range(2):
        profl.merge({0: TaskSum(task.moving.pack(weights | drifting), 1)}, {})
        drifting = {name: value + np.float32(0.25) for name, value in drifting.items()}
        progress = profl.progress()
        profl.advance(progress)
    assert progress.figures["effective_movement"] == pytest.approx(1.0, abs=1e-5)


def test_recorded_movement_is_that_of_the_weights() -> None:
    """Replayed from the weights of a real run: the block before the step and after each of its rounds."""
    experiment = tiny_experiment(
        "freezing.rounds=4", "freezing.window_rounds=2", "strategy.profl.shrinking=false"
    )
    server = new_server(experiment)
    profl = profl_of(server)
    while not server.finished:
        names, step = profl.pace.names, profl.step
        snapshots = [np.concatenate([profl.weights[n].ravel() for n in names])]
        while not server.finished and profl.step == step:
            record = server.play_round()
            snapshots.append(np.concatenate([profl.weights[n].ravel() for n in names]))
            assert record.figures.get("effective_movement") == effective_movement(snapshots, 2)
        assert 0 < record.figures.get("effective_movement") < 1


# Batch norm of frozen blocks (section 5).


@torch.no_grad()
def prefix_features(profl: ProFL, companions: torch.Tensor, image: torch.Tensor) -> torch.Tensor:
    """Return what the frozen blocks make of `image` while training in a batch with `companions`."""
    model = loaded_model(profl.plan().states[0])
    features = torch.cat([image, companions])
    for index in range(profl.network.units_of(profl.step.block).start):
        for layer in model.units[str(index)].children():
            features = layer(features)
    return features[0]


@pytest.mark.parametrize("frozen_bn", ["batch", "eval"])
def test_the_frozen_prefix_is_a_fixed_function_under_eval_only(frozen_bn: str) -> None:
    experiment = tiny_experiment(f"strategy.profl.frozen_bn={frozen_bn}", "freezing.rounds=1")
    server = new_server(experiment)
    profl = profl_of(server)
    generator = torch.Generator().manual_seed(3)
    image, one, other = torch.randn(9, 1, 8, 8, generator=generator).split([1, 4, 4])
    while not server.finished:
        if profl.step.stage in ("shrink", "grow") and profl.step.block > 1:
            fixed = torch.equal(prefix_features(profl, one, image), prefix_features(profl, other, image))
            assert fixed == (frozen_bn == "eval")
        server.play_round()


def test_calibration_gives_the_random_front_its_statistics() -> None:
    """Afterwards the front normalises real images as batch statistics would, roughly; no parameter moved."""
    experiment = tiny_experiment(
        "strategy.profl.frozen_bn=eval", "training.batch_size=14", "federation.cohort_size=4"
    )
    server = new_server(experiment)
    profl = profl_of(server)
    before = copied(profl.weights)
    record = server.play_round()
    assert (record.stage, record.step_ended) == ("calibrate", True)
    changed = {n for n in before if not same_state(before, profl.weights, [n])}
    assert changed == {f"units.{unit}.1.running_{kind}" for unit in (0, 1, 2) for kind in ("mean", "var")}
    images = torch.from_numpy(experiment.data.train_inputs[:200].astype(np.float32) / 255)
    images = (images - experiment.data.inputs.mean[0]) / experiment.data.inputs.std[0]
    model = loaded_model(profl.plan().states[0]).eval()
    features, normalised = images, []
    with torch.no_grad():
        for index in range(3):
            for layer in model.units[str(index)].children():
                features = layer(features)
                if isinstance(layer, nn.BatchNorm2d):
                    # A copy: the ReLU behind it works in place.
                    normalised.append(features.clone())
    for output in normalised:
        assert output.mean(dim=(0, 2, 3)).abs().max() < 0.35
        assert (output.var(dim=(0, 2, 3)) - 1).abs().max() < 0.6


# It learns (check 8).


@pytest.mark.parametrize("frozen_bn", ["batch", "eval"])
@pytest.mark.parametrize(
    ("model", "rounds"),
    [
        (("model.name=cnn", "model.partition=[2,2]", "model.width=1.0"), 3),
        (("model.name=cnn", FOUR, "model.width=1.0"), 4),
    ],
    ids=["two blocks", "four blocks"],
)
def test_behind_a_random_frozen_front_it_beats_chance(
    model: tuple[str, ...], rounds: int, frozen_bn: str
) -> None:
    experiment = tiny_experiment(
        *model,
        f"strategy.profl.frozen_bn={frozen_bn}",
        "data.examples_per_device=72",
        "data.test_examples=200",
        "federation.num_devices=16",
        "federation.cohort_size=5",
        "federation.quotas.fractions=[1.1,1.2]",
        "training.local_epochs=2",
        "training.batch_size=16",
        "freezing.rounds=10",
    )
    server = new_server(experiment)
    if frozen_bn == "eval":
        server.play_round()
    records = [server.play_round() for _ in range(rounds)]
    assert {(record.stage, record.block) for record in records} == {("shrink", experiment.network.num_blocks)}
    assert records[-1].test_accuracy > 0.5  # Chance is 0.1.
    assert records[-1].train_loss < records[0].train_loss < 2.6


def test_a_resnet_plays_a_whole_run() -> None:
    overrides = ("model.name=resnet18", "model.partition=[2,6]", "model.width=0.05", "freezing.rounds=1")
    run = play(tiny_experiment(*overrides, "strategy.profl.shrinking=false"))
    assert [str(moment.plan.step) for moment in run.moments] == ["grow 1", "grow 2"]
    assert all(record.trained and not record.failed for record in run.records)
