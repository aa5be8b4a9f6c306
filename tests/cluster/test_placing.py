from hypothesis import given
from hypothesis import strategies as st

from profl_ray.cluster.placing import MOST_TRIALS, Node, Room, Trial, most_clients, rooms, trials_at_once

TWO = [{}, {"CPU": 1.0}, {"CPU": 1.0}]
"""A driver without CPUs and two client actors."""


def cpus(*numbers):
    return rooms(Node({"CPU": number}) for number in numbers)


def gpus(*numbers):
    return rooms(Node({"CPU": 8, "GPU": number}) for number in numbers)


def with_mib(number, *mib):
    return [Room.of(Node({"CPU": number}), each) for each in mib]


def test_trials_are_counted_over_nodes():
    assert trials_at_once(Trial(TWO), cpus(4)) == 2
    assert trials_at_once(Trial(TWO), cpus(1, 1, 1)) == 1
    assert trials_at_once(Trial(TWO), cpus(1)) == 0
    assert trials_at_once(Trial(TWO), []) == 0


def test_a_trial_is_packed_on_one_node_where_it_fits():
    # Spread over the first, the first trial would leave no node with two CPUs for another bundle of two.
    assert trials_at_once(Trial([{"CPU": 2.0}, {"CPU": 1.0}]), cpus(1, 3, 3)) == 2


def test_rounding_does_not_lose_a_trial():
    assert trials_at_once(Trial([{}] + [{"CPU": 0.1}] * 10), cpus(1)) == 1


def test_what_ray_cuts_off_is_not_counted():
    # Ray takes 0.3333 of a CPU for each: three fit, where 0.33335 times three would not.
    assert most_clients(Trial([{}, {"CPU": 0.33335}]), cpus(1)) == 3


def test_memory_counts_as_well():
    trial = Trial(TWO, 600.0, 700.0)
    assert trials_at_once(trial, with_mib(8, 4000.0)) == 2
    assert trials_at_once(trial, with_mib(8, 1999.0, 0.0)) == 0
    assert trials_at_once(trial, with_mib(8, 1400.0, 600.0)) == 1, "over two nodes"


def test_what_asks_for_nothing_fits_without_end():
    assert trials_at_once(Trial([{}]), cpus(1)) == MOST_TRIALS


def test_actors_are_not_divided_between_nodes():
    """Three actors of two CPUs: six CPUs in sum, on nodes that hold one actor each."""
    three = Trial([{}] + [{"CPU": 2.0}] * 3)
    assert most_clients(three, cpus(3, 3)) == 2
    assert most_clients(three, cpus(4, 2)) == most_clients(three, cpus(3, 3, 2)) == 3


def test_the_drivers_place_is_looked_for():
    """The largest first, or the first that fits, finds no room here; Ray may."""
    trial = Trial([{"CPU": 3.0}, {"CPU": 2.0}, {"CPU": 2.0}])
    assert most_clients(trial, cpus(4, 3)) == most_clients(trial, cpus(3, 4)) == 2
    assert most_clients(trial, cpus(2, 2, 2)) == -1, "not even the driver"


def test_a_part_lies_on_one_gpu():
    assert most_clients(Trial([{}, {"GPU": 0.6}]), gpus(1)) == 1
    assert most_clients(Trial([{}, {"GPU": 0.6}]), gpus(2, 1)) == 3
    assert most_clients(Trial([{}, {"GPU": 0.3, "CPU": 1.0}]), gpus(1, 1)) == 6
    assert most_clients(Trial([{}, {"GPU": 2.0}]), gpus(3, 3, 1)) == 2
    assert trials_at_once(Trial([{}] + [{"GPU": 0.6}] * 2), gpus(3)) == 1


def test_what_our_own_process_holds_is_not_counted():
    held = Node({"CPU": 4, "GPU": 2}, {"CPU": 1, "GPU": 0.5})
    assert most_clients(Trial([{}, {"CPU": 1.0}]), rooms([held])) == 3
    assert most_clients(Trial([{}, {"GPU": 1.0}]), rooms([held])) == 1
    assert most_clients(Trial([{}, {"GPU": 0.5}]), rooms([held])) == 3


def any_spread(driver, client, number, free):
    """Whether all find room somewhere, tried one place after another."""
    if driver is not None:
        places = [(None, [*free[:i], left - driver, *free[i + 1 :]]) for i, left in enumerate(free)]
        return any(min(rest) >= 0 and any_spread(None, client, number, rest) for _, rest in places)
    if number == 0:
        return True
    places = [[*free[:i], left - client, *free[i + 1 :]] for i, left in enumerate(free)]
    return any(min(rest) >= 0 and any_spread(None, client, number - 1, rest) for rest in places)


@given(
    st.lists(st.integers(0, 5), min_size=1, max_size=3),
    st.integers(0, 3),
    st.integers(1, 3),
    st.integers(1, 4),
)
def test_what_some_spread_can_hold_fits_and_nothing_else(free, driver, client, number):
    trial = Trial([{"CPU": driver}] + [{"CPU": client}] * number)
    fits = most_clients(trial, cpus(*free)) >= number
    assert fits == any_spread(driver, client, number, free)
    assert (trials_at_once(trial, cpus(*free)) > 0) == fits


@given(st.lists(st.integers(0, 8), min_size=1, max_size=4), st.integers(1, 4))
def test_no_more_trials_than_cpus_allow(free, num_actors):
    number = trials_at_once(Trial([{}] + [{"CPU": 1.0}] * num_actors), cpus(*free))
    assert number == sum(free) // num_actors
