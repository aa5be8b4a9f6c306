from hypothesis import given
from hypothesis import strategies as st

from profl_ray.doctor.placing import MOST_TRIALS, Trial, trials_at_once

TWO = [{}, {"CPU": 1.0}, {"CPU": 1.0}]
"""A driver without CPUs and two client actors."""


def nodes(*cpus):
    return {f"n{i}": {"CPU": number} for i, number in enumerate(cpus)}


def test_trials_are_counted_over_nodes():
    assert trials_at_once(Trial(TWO), nodes(4), {}) == 2
    assert trials_at_once(Trial(TWO), nodes(1, 1, 1), {}) == 1
    assert trials_at_once(Trial(TWO), nodes(1), {}) == 0
    assert trials_at_once(Trial(TWO), {}, {}) == 0


def test_a_trial_is_packed_on_one_node_where_it_fits():
    # Spread over n0, the first trial would leave no node with two CPUs for another bundle of two.
    assert trials_at_once(Trial([{"CPU": 2.0}, {"CPU": 1.0}]), nodes(1, 3, 3), {}) == 2


def test_rounding_does_not_lose_a_trial():
    assert trials_at_once(Trial([{}] + [{"CPU": 0.1}] * 10), nodes(1), {}) == 1


def test_memory_counts_as_well():
    trial = Trial(TWO, [600.0, 700.0, 700.0])
    assert trials_at_once(trial, nodes(8), {"n0": 4000.0}) == 2
    assert trials_at_once(trial, nodes(8, 8), {"n0": 1999.0, "n1": 0.0}) == 0
    assert trials_at_once(trial, nodes(8, 8), {"n0": 1400.0, "n1": 600.0}) == 1, "over two nodes"


def test_what_asks_for_nothing_fits_without_end():
    assert trials_at_once(Trial([{}]), nodes(1), {}) == MOST_TRIALS


@given(st.lists(st.integers(0, 8), min_size=1, max_size=4), st.integers(1, 4))
def test_no_more_trials_than_cpus_allow(cpus, num_actors):
    number = trials_at_once(Trial([{}] + [{"CPU": 1.0}] * num_actors), nodes(*cpus), {})
    assert number == sum(cpus) // num_actors
