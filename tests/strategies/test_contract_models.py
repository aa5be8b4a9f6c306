"""The contract once more, by coordinates and by answers: what merging touches, what the largest model is."""

import numpy as np
import pytest
import torch

from profl_ray.models import SubModelPlan, state_tensors
from profl_ray.strategies.base import initial_state, task_state
from profl_ray.training import TaskSum

from .play import CASES, case_experiment, copied, tiny_experiment, trace

every_case = pytest.mark.parametrize("case", CASES)
SENT = np.float32(7.0)
"""No weight has this value by chance."""


@every_case
def test_merging_touches_a_coordinate_only_where_somebody_trained_it(case: str) -> None:
    """Whatever sends sevens alone leaves sevens where it owns a coordinate, and every other bit as it was."""
    experiment = case_experiment(case)
    step = None
    for moment in trace(case).moments:
        if moment.plan.step == step:
            continue
        step = moment.plan.step
        for index, state in enumerate(moment.plan.states):
            strategy = experiment.make_strategy()
            strategy.load_state_dict(moment.snapshot.tensors, moment.snapshot.facts["strategy"])
            before = copied(strategy.complete_weights())
            strategy.merge({index: TaskSum(np.full(state.task.moving.size, 3 * SENT, np.float32), 3)}, {})
            num_touched = 0
            for name, value in strategy.complete_weights().items():
                touched = value.view(np.int32) != before[name].view(np.int32)
                assert (value[touched] == SENT).all(), name
                num_touched += int(touched.sum())
            # Proxies, exits and heads that are thrown away are sent and belong to no complete model.
            assert num_touched <= state.task.moving.size
            trained = set(state.task.moving.names) & before.keys()
            assert bool(num_touched) == bool(trained)


@every_case
def test_the_largest_sub_model_answers_like_the_plain_network(case: str) -> None:
    """Full width, or all blocks: its (last) logits are those of the plain network, bit for bit."""
    rich = "federation.quotas.fractions=[3.0,3.0]"
    experiment = tiny_experiment(f"strategy.name={case.split()[0]}", *CASES[case], rich)
    # Map's model is two: a student and its teacher.
    tasks = [task for step, task in experiment.make_strategy().schedule() if step.stage != "map"]
    compared = 0
    for task in tasks:
        network = task.model.network
        plain = SubModelPlan(network, network.num_blocks)
        with torch.device("meta"):
            reference, model = plain.build(), task.model.build()
        wanted = {name for name in state_tensors(reference) if not name.endswith("num_batches_tracked")}
        if network.rate < max(t.model.network.rate for t in tasks) or not wanted <= set(state_tensors(model)):
            continue
        weights = initial_state(task.model, 1)
        answers = []
        for module, names in ((reference, wanted), (model, weights.keys())):
            module.to_empty(device="cpu").train()
            tensors = state_tensors(module)
            with torch.no_grad():
                for name in names:
                    tensors[name].copy_(torch.from_numpy(weights[name]))
                images = torch.rand(4, *network.input_shape, generator=torch.Generator().manual_seed(0))
                answer = module(images)
            answers.append(answer[-1] if isinstance(answer, tuple) else answer)
        assert torch.equal(*answers)
        compared += 1
    assert compared, "no task trains the whole network"


@every_case
def test_the_evaluated_model_is_the_one_that_was_merged(case: str) -> None:
    """What is evaluated holds the merged weights: no strategy evaluates another model than it trains."""
    strategy = trace(case).server.strategy
    complete = strategy.complete_weights()
    state = task_state(strategy.complete_task(), complete, "end")
    held = state.task.moving.unpack(state.down) | state.task.frozen.unpack(state.frozen)
    assert all(np.array_equal(held[name], complete[name]) for name in complete)
