import pytest
from hypothesis import given
from hypothesis import strategies as st

from profl_ray.sections import TrainingConfig
from profl_ray.training import rate_factor

SHARES = st.floats(0, 1, exclude_max=True)


def factors(count: int = 8, **settings) -> list[float]:
    training = TrainingConfig(**settings)
    return [rate_factor(training, number / count) for number in range(count)]


def test_the_curves() -> None:
    assert factors() == [1.0] * 8
    assert factors(schedule="step") == pytest.approx([1, 1, 1, 1, 0.1, 0.1, 0.01, 0.01])
    assert factors(4, schedule="cosine") == pytest.approx([1, 0.8535534, 0.5, 0.1464466])


def test_a_warm_up_rises_to_the_schedules_beginning() -> None:
    assert factors(8, warm_up_share=0.5) == pytest.approx([0.01, 0.25, 0.5, 0.75, 1, 1, 1, 1])
    assert factors(8, warm_up_share=0.5, schedule="cosine")[4:] == pytest.approx(
        factors(4, schedule="cosine")
    )


@given(share=SHARES, schedule=st.sampled_from(["constant", "cosine", "step"]), warm_up=SHARES)
def test_no_round_learns_nothing_and_none_faster_than_configured(share, schedule, warm_up) -> None:
    factor = rate_factor(TrainingConfig(schedule=schedule, warm_up_share=warm_up), share)
    assert 0 <= factor <= 1
    assert factor > 0 or (schedule == "cosine" and share > 0.999)
