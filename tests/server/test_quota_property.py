"""Random partitions, batch sizes and quotas: no device trains above its quota, none that fits is refused."""

import numpy as np
import pytest
from hypothesis import assume, given, settings
from hypothesis import strategies as st

from profl_ray.config import load_experiment
from profl_ray.errors import Unaffordable
from profl_ray.fleet.in_process import InProcessFleet
from profl_ray.memory import MIB
from profl_ray.memory.need import SMALLEST_ERROR_MIB, STATED_ERROR
from profl_ray.server.experiment import assemble
from profl_ray.server.rounds import Server

PARTITIONS = ([4], [1, 3], [2, 2], [3, 1], [1, 1, 2], [2, 1, 1], [1, 1, 1, 1])
NUM_DEVICES = 6


class WatchingFleet(InProcessFleet):
    """Measures every task by itself, and keeps what each device was asked to train."""

    def train(self, groups, states):
        peaks_mib = [self.worker.measure(state) / MIB for state in states]
        results = list(super().train(groups, states))
        for order in (order for group in groups for order in group.devices):
            report = next(r for result in results for r in result.reports if r.device == order.device)
            self.seen.append((order.quota_mib, peaks_mib[order.task_index], report.failure))
        return results


@pytest.fixture(scope="module")
def root(tmp_path_factory):
    return tmp_path_factory.mktemp("quotas")


@settings(max_examples=15)
@given(
    partition=st.sampled_from(PARTITIONS),
    batch_size=st.integers(2, 48),
    width=st.sampled_from([0.5, 1.0]),
    strategy=st.sampled_from(["profl", "heterofl", "depthfl", "fedavg"]),
    quotas_mib=st.lists(st.floats(0.05, 6.0), min_size=NUM_DEVICES, max_size=NUM_DEVICES),
)
def test_the_quota_decides(root, partition, batch_size, width, strategy, quotas_mib):
    config = load_experiment(
        "digits_tiny",
        [
            f"storage.root={root}",
            f"model.partition={partition}",
            f"model.width={width}",
            f"training.batch_size={batch_size}",
            "training.local_epochs=1",
            f"strategy.name={strategy}",
            f"federation.num_devices={NUM_DEVICES}",
            f"federation.cohort_size={NUM_DEVICES}",
            "federation.quotas.name=list",
            f"federation.quotas.values_mib={quotas_mib}",
            "data.examples_per_device=50",
            "data.test_examples=50",
            # Ideal federated averaging would ignore the quotas on purpose.
            "strategy.fedavg.variant=exclusive",
        ],
    )
    experiment = assemble(config)
    fleet = WatchingFleet(experiment)
    fleet.seen = []
    server = Server(experiment, fleet)
    plan = server.strategy.plan()
    needs_mib = [experiment.estimate(state.task).mib for state in plan.states]
    fits = np.array([any(need <= quota for need in needs_mib) for quota in quotas_mib])
    try:
        experiment.check_affordable(experiment.step_needs(server.strategy))
    except Unaffordable:
        assume(False)
    record = server.play_round()
    assert set(record.cohort) == set(np.flatnonzero(fits)), "all that fit are drawn, and no others"
    for quota_mib, peak_mib, failure in fleet.seen:
        beyond = peak_mib > quota_mib * (1 + STATED_ERROR) + SMALLEST_ERROR_MIB
        assert (failure is None) != beyond, (quota_mib, peak_mib, failure)
