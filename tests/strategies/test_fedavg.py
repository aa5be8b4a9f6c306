"""FedAvg in its three variants: who trains, what is trained, and what cannot be afforded."""

import numpy as np
import pytest

from profl_ray.errors import Unaffordable
from profl_ray.models import SubModelPlan
from profl_ray.strategies import full_task
from profl_ray.strategies.base import initial_state
from profl_ray.strategies.fedavg import FedAvg
from profl_ray.training import TaskSum

from .play import first_choice, new_server, random_sum, same_state, tiny_experiment, trace


def experiment(variant: str, *overrides: str):
    return tiny_experiment("strategy.name=fedavg", f"strategy.fedavg.variant={variant}", *overrides)


def strategy(variant: str, *overrides: str) -> FedAvg:
    made = experiment(variant, *overrides).make_strategy()
    assert isinstance(made, FedAvg)
    return made


@pytest.mark.parametrize("variant", ["ideal", "exclusive"])
def test_the_full_model_is_trained(variant: str) -> None:
    fedavg = strategy(variant)
    context = fedavg.context
    (task,) = fedavg.tasks()
    assert task.memory_key == full_task(context.network, context.config).memory_key
    assert not task.frozen.names
    plain = SubModelPlan(context.network, context.network.num_blocks)
    assert same_state(fedavg.complete_weights(), initial_state(plain, context.config.seed))


def test_ideal_ignores_quotas_and_the_others_do_not() -> None:
    shares = {}
    for variant in ("ideal", "exclusive", "allsmall"):
        fedavg = strategy(variant)
        quotas_mib, (task,) = fedavg.quotas_mib(), fedavg.tasks()
        assert np.isinf(quotas_mib).all() == (variant == "ideal")
        choice = np.array(first_choice(fedavg, [fedavg.context.need(task).mib], quotas_mib))
        assert set(choice.tolist()) <= {0, -1}
        shares[variant] = float(np.mean(choice == 0))
    assert shares == {"ideal": 1, "exclusive": pytest.approx(4 / 6), "allsmall": 1}


def test_only_devices_that_can_afford_the_full_model_train_in_exclusive() -> None:
    run = trace("fedavg exclusive")
    trained = {device for record in run.records for device in record.trained}
    affording = set(np.flatnonzero(run.experiment.quotas_mib >= run.experiment.full_need_mib).tolist())
    assert trained and trained <= affording and len(affording) < 6
    poor = {device for record in trace("fedavg").records for device in record.trained} - affording
    assert poor


def test_allsmall_is_the_widest_level_that_the_poorest_device_affords() -> None:
    experiments = [experiment("allsmall", "strategy.width_levels=[1.0,0.75,0.5,0.25]")]
    full = experiments[0].full_need_mib
    fedavg = experiments[0].make_strategy()
    assert isinstance(fedavg, FedAvg)
    poorest = experiments[0].quotas_mib.min()
    needs = {}
    for rate in (1.0, 0.75, 0.5, 0.25):
        only = strategy(
            "allsmall", f"strategy.width_levels=[{rate}]", "federation.quotas.fractions=[1.0,1.2]"
        )
        needs[rate] = only.context.need(only.task).mib
    widest = max(rate for rate, need in needs.items() if need <= poorest)
    assert 0.25 < widest < 1 and needs[1.0] == full
    assert fedavg.complete_task().model.network.rate == widest
    fresh = initial_state(fedavg.complete_task().model, fedavg.context.config.seed)
    assert same_state(fedavg.complete_weights(), fresh)


def test_allsmall_is_fedavg_where_everybody_can_afford_the_full_model() -> None:
    ample = "federation.quotas.fractions=[1.0,1.2]"
    small, ideal = strategy("allsmall", ample), strategy("ideal", ample)
    assert small.tasks() == ideal.tasks()
    assert same_state(small.complete_weights(), ideal.complete_weights())


def test_allsmall_without_a_level_for_the_poorest_is_unaffordable() -> None:
    with pytest.raises(Unaffordable, match=r"even at 0\.5 of the width, .* poorest device.* a smaller level"):
        strategy("allsmall", "strategy.width_levels=[1.0,0.5]", "federation.quotas.fractions=[0.05,1.2]")


def test_exclusive_without_a_device_for_the_full_model_is_unaffordable() -> None:
    """The row of the paper's table that is n/a."""
    poor = experiment("exclusive", "federation.quotas.fractions=[0.5,0.9]")
    with pytest.raises(Unaffordable, match="no device can train step 'train'"):
        poor.check_affordable(poor.step_needs(poor.make_strategy()))
    rich = experiment("exclusive")
    rich.check_affordable(rich.step_needs(rich.make_strategy()))


@pytest.mark.parametrize("variant", ["ideal", "allsmall"])
def test_the_mean_is_weighted_by_images(variant: str) -> None:
    fedavg = strategy(variant)
    (task,) = fedavg.tasks()
    sums = random_sum(task.moving, 3, seed=1)
    sums.add(random_sum(task.moving, 9, seed=2))
    parts = [random_sum(task.moving, n, seed=seed).total / n for seed, n in ((1, 3), (2, 9))]
    fedavg.merge({0: TaskSum(sums.total.copy(), sums.weight)}, {})
    merged = task.moving.pack(fedavg.complete_weights())
    np.testing.assert_allclose(merged, 0.25 * parts[0] + 0.75 * parts[1], rtol=1e-5)


def test_it_ends_after_the_configured_rounds() -> None:
    server = new_server(experiment("ideal", "strategy.rounds=2"))
    records = []
    while not server.finished:
        records.append(server.play_round())
    assert [(r.step_ended, r.end_reason) for r in records] == [(False, ""), (True, "fixed_rounds")]
