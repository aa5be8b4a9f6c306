"""Every strategy trains the same bits as when its digest was recorded.

Where a change means to train otherwise, record anew (tests/strategies/digests.py) and say so in CHANGELOG.md.
"""

from contextlib import closing
from dataclasses import replace

import pytest

from profl_ray.fleet.build import build_fleet
from profl_ray.provenance import machine_type
from profl_ray.server.rounds import Server

from .digests import digests_of, recorded
from .play import CASES, MAX_ROUNDS, Trace, case_experiment, trace

KNOWN = recorded()
ELSEWHERE = f"no digests were recorded on {machine_type()}: there both fleets are compared (marked ray)"


@pytest.mark.skipif(KNOWN is None, reason=ELSEWHERE)
@pytest.mark.parametrize("case", CASES)
def test_the_bits_are_those_that_were_recorded(case):
    assert KNOWN is not None and digests_of(trace(case)) == KNOWN[case]


@pytest.mark.ray
@pytest.mark.skipif(KNOWN is not None, reason="the digests of this type of machine are known")
@pytest.mark.parametrize("case", CASES)
def test_both_fleets_train_the_same_bits(case, local_ray):
    experiment = case_experiment(case)
    fleet = experiment.config.fleet.model_copy(update={"backend": "ray", "num_actors": 2})
    config = experiment.config.model_copy(update={"fleet": fleet})
    with closing(build_fleet(replace(experiment, config=config))) as on_ray:
        server = Server(experiment, on_ray)
        records = []
        while not server.finished and len(records) < MAX_ROUNDS:
            records.append(server.play_round())
    expected = trace(case)
    assert [replace(r, seconds=0.0) for r in records] == [replace(r, seconds=0.0) for r in expected.records]
    assert digests_of(expected)["weights"] == digests_of(Trace(experiment, [], server))["weights"]
