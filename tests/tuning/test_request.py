import pytest

from profl_ray.cluster.placing import Node
from profl_ray.errors import UserError
from profl_ray.tuning import Choice, Range, SweepRequest
from profl_ray.tuning.request import base_config, check_resources

from .kit import space


def request_of(root, parameters=None, **options):
    return SweepRequest(space(root, parameters or {"seed": Choice.of(1, 2, 3)}), **options)


def test_what_is_not_asked_for_is_the_spaces_own(root):
    grid = request_of(root, max_concurrent=2).resolved()
    assert grid.options == {"search": "grid", "scheduler": "fifo", "num_samples": None, "max_concurrent": 2}
    assert grid.num_trials == 3
    drawn = request_of(root, {"seed": Range(1, 9)}, search="random", scheduler="halving").resolved()
    assert (drawn.num_trials, drawn.scheduler) == (drawn.space.num_samples, "halving")
    assert request_of(root, search="optuna", num_samples=5).resolved().num_trials == 5


def test_a_grid_takes_no_number_of_samples(root):
    with pytest.raises(UserError, match=r"--num-samples 2: the space 'short' is searched as a grid"):
        request_of(root, num_samples=2).resolved()


@pytest.mark.parametrize("override", ["seed=7", " seed =7"])
def test_a_swept_key_cannot_be_set_for_all(root, override):
    request = SweepRequest(request_of(root).space, overrides=(override,))
    with pytest.raises(UserError, match="sweeps seed, so a value for all trials has no effect"):
        base_config(request)


def test_trials_that_can_never_be_had_are_refused(root):
    """Where some can, the others are n/a."""
    request = request_of(root, {"fleet.cpus_per_actor": Choice.of(4.0, 0.5)})
    config = base_config(request)
    check_resources(request, config, [Node({"CPU": 3.0})])
    with pytest.raises(UserError, match=r"a run needs 4 CPU, the cluster has 0\.2 "):
        check_resources(request, config, [Node({"CPU": 0.2})])
    request = request_of(root, {"fleet.cpus_per_actor": Choice.of(0.0)})
    with pytest.raises(UserError, match="a trial must reserve something"):
        check_resources(request, base_config(request), [Node({"CPU": 3.0})])
