"""Who recomputes how much: the least that the quota takes, and the weights stay what they are."""

from dataclasses import dataclass, replace

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from strategies.play import CASES, tiny_experiment

from profl_ray.fleet.in_process import InProcessFleet
from profl_ray.memory import Need
from profl_ray.server.checkpoint import weights_sha256
from profl_ray.server.rounds import Server
from profl_ray.server.ways import find_ways


@dataclass(frozen=True)
class Task:
    """A task whose needs a test names by number of recomputed units."""

    needs_mib: tuple[float, ...]
    recomputed: int = 0

    @property
    def num_recomputable(self):
        return len(self.needs_mib) - 1

    def recomputing(self, count):
        return replace(self, recomputed=count)


def need_of(task):
    parts = dict.fromkeys((f"{name}_bytes" for name in Need.PARTS), 0)
    return Need(**parts | {"parameters_bytes": round(task.needs_mib[task.recomputed] * 2**20)})


TASK = Task((10.0, 8.0, 6.0, 4.0))
QUOTAS = np.array([3.0, 4.0, 5.0, 6.0, 7.9, 8.0, 9.9, 10.0, np.inf])


@pytest.mark.parametrize(
    ("recompute", "expected"),
    [
        ("none", [-1, -1, -1, -1, -1, -1, -1, 0, 0]),
        ("all", [-1, 3, 3, 3, 3, 3, 3, 3, 3]),
        ("auto", [-1, 3, 3, 2, 2, 1, 1, 0, 0]),
    ],
)
def test_a_device_recomputes_as_little_as_it_can(recompute, expected):
    ways = find_ways(TASK, QUOTAS, recompute, need_of)
    assert ways.recomputed.tolist() == expected
    assert ways.needs_mib == {
        count: TASK.needs_mib[count] for count in dict.fromkeys(expected[::-1]) if count >= 0
    }


def test_nothing_else_is_estimated_where_everybody_can_afford_the_plain_way():
    asked = []

    def estimate(task):
        asked.append(task.recomputed)
        return need_of(task)

    find_ways(TASK, np.array([11.0, 12.0]), "auto", estimate)
    assert asked == [0]
    ways = find_ways(TASK, np.array([1.0]), "auto", estimate)
    assert ways.recomputed.tolist() == [-1] and ways.needs_mib == {3: 4.0}


@given(
    needs=st.lists(st.integers(1, 20), min_size=1, max_size=5),
    quotas=st.lists(st.integers(1, 22), min_size=1, max_size=6),
)
def test_it_is_the_first_way_within_the_quota(needs, quotas):
    task, limits = Task(tuple(float(need) for need in needs)), np.array(quotas, float)
    for recompute in ("none", "all", "auto"):
        ways = find_ways(task, limits, recompute, need_of)
        counts = {"none": [0], "all": [len(needs) - 1], "auto": range(len(needs))}[recompute]
        for quota, count in zip(limits, ways.recomputed.tolist(), strict=True):
            affordable = [each for each in counts if task.needs_mib[each] <= quota]
            assert count == (affordable[0] if affordable else -1)


AMPLE = ("federation.quotas.fractions=[3.0,3.0]",)


@pytest.mark.parametrize("case", CASES)
def test_every_strategy_trains_the_same_bits_with_everything_recomputed(case):
    digests, flops, needs = [], [], []
    for recompute in ("none", "all"):
        experiment = tiny_experiment(
            f"strategy.name={case.split()[0]}", *CASES[case], *AMPLE, f"training.recompute={recompute}"
        )
        server = Server(experiment, InProcessFleet(experiment))
        records = [server.play_round() for _ in range(40) if not server.finished]
        digests.append(weights_sha256(server.strategy.complete_weights()))
        flops.append(sum(record.local_flops for record in records))
        needs.append(max(record.need_mib for record in records))
    assert digests[0] == digests[1]
    assert flops[0] < flops[1] and needs[0] != needs[1]


def test_with_auto_more_devices_take_part_and_each_within_its_quota():
    shares = {}
    for recompute in ("none", "auto"):
        experiment = tiny_experiment(
            "strategy.name=fedavg",
            "strategy.fedavg.variant=exclusive",
            "federation.cohort_size=6",
            "federation.quotas.fractions=[0.95,1.2]",
            f"training.recompute={recompute}",
        )
        server = Server(experiment, InProcessFleet(experiment))
        record = server.play_round()
        shares[recompute] = record.eligible_share
        assert not record.failed
        recomputing = {
            report.device for report in server.do(server.strategy.plan()).result.reports if report.recomputed
        }
        richest = experiment.quotas_mib.max()
        assert all(experiment.quotas_mib[device] < richest for device in recomputing)
        assert bool(recomputing) == (recompute == "auto")
    assert shares["none"] < shares["auto"] == 1.0
