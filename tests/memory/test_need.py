"""Needs, demands and refusals: the sentence that a device is turned away with."""

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from profl_ray.memory import MIB, Demand, Need
from profl_ray.memory.need import SMALLEST_ERROR_MIB, STATED_ERROR

SIZES = st.integers(0, 2**40)
MEMORY = st.floats(0.01, 1e5)


@settings(deadline=None)
@given(SIZES, SIZES, SIZES, SIZES, SIZES)
def test_parts_sum_to_the_total(a: int, b: int, c: int, d: int, e: int) -> None:
    need = Need(
        parameters_bytes=a, gradients_bytes=b, optimizer_bytes=c, activations_bytes=d, temporaries_bytes=e
    )
    assert need.total_bytes == a + b + c + d + e
    parts = need.parts_mib()
    assert list(parts) == ["parameters", "gradients", "optimizer", "activations", "temporaries"]
    assert sum(parts.values()) == pytest.approx(need.mib) == pytest.approx(need.total_bytes / MIB)


@settings(deadline=None)
@given(MEMORY, MEMORY, MEMORY)
def test_refusal(need_mib: float, peak_mib: float, quota_mib: float) -> None:
    demand = Demand(need_mib, peak_mib)
    reason = demand.refusal(quota_mib)
    if need_mib > quota_mib:
        assert reason == "predicted, before training"
    elif peak_mib > quota_mib * (1 + STATED_ERROR) + SMALLEST_ERROR_MIB:
        assert reason.startswith("measured")
    else:
        assert reason == ""
    assert demand.mib == max(need_mib, peak_mib)


@settings(deadline=None)
@given(MEMORY, MEMORY, MEMORY, MEMORY)
def test_more_quota_never_hurts(need_mib: float, peak_mib: float, quota_mib: float, more: float) -> None:
    demand = Demand(need_mib, peak_mib)
    if not demand.refusal(quota_mib):
        assert not demand.refusal(quota_mib + more)


@settings(deadline=None)
@given(MEMORY)
def test_a_quota_of_exactly_the_need_is_enough(need_mib: float) -> None:
    assert Demand(need_mib, need_mib).refusal(need_mib) == ""
    assert Demand(need_mib, need_mib * (1 + STATED_ERROR)).refusal(need_mib) == ""


def test_nothing_is_refused_without_a_quota() -> None:
    assert Demand(1e9, 1e9).refusal(float("inf")) == ""
