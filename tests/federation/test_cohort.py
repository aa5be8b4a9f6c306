import numpy as np
from hypothesis import given
from hypothesis import strategies as st

from profl_ray.federation import draw_cohort
from profl_ray.randomness import numpy_stream


@given(st.lists(st.floats(1, 1000), max_size=40), st.floats(1, 1000), st.integers(1, 30), st.integers(0, 99))
def test_a_cohort_never_holds_a_device_below_the_need(quotas, need, cohort_size, seed):
    quotas_mib = np.array(quotas)
    eligible = np.flatnonzero(quotas_mib >= need)
    cohort = draw_cohort(eligible, cohort_size, numpy_stream(seed, "cohort"))
    assert len(cohort) == min(cohort_size, len(eligible))
    assert (np.diff(cohort) > 0).all()
    assert (quotas_mib[cohort] >= need).all()


def test_the_draw_is_reproducible_and_ignores_order():
    ids = np.arange(50)
    first = draw_cohort(ids, 20, numpy_stream(1, "cohort", 3))
    again = draw_cohort(ids[::-1], 20, numpy_stream(1, "cohort", 3))
    other = draw_cohort(ids, 20, numpy_stream(1, "cohort", 4))
    assert first.tolist() == again.tolist() != other.tolist()


def test_every_device_is_drawn_about_equally_often():
    generator = numpy_stream(0, "cohort")
    drawn = np.concatenate([draw_cohort(np.arange(10), 3, generator) for _ in range(2000)])
    counts = np.bincount(drawn, minlength=10)
    assert (np.abs(counts - 600) < 6 * np.sqrt(2000 * 0.3 * 0.7)).all()
