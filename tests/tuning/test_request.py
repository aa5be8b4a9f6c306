import pytest

from profl_ray.cluster.placing import Node
from profl_ray.errors import Unaffordable, UserError
from profl_ray.tuning import Choice, Range, SweepRequest
from profl_ray.tuning.request import base_config, check_resources, check_trainable

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
    words = r"a run needs 4 CPU, the cluster has 0\.2 .*\(the first of 2 settings; none finds room\)$"
    with pytest.raises(UserError, match=words):
        check_resources(request, config, [Node({"CPU": 0.2})])
    request = request_of(root, {"fleet.cpus_per_actor": Choice.of(0.0)})
    with pytest.raises(UserError, match="a trial must reserve something"):
        check_resources(request, base_config(request), [Node({"CPU": 3.0})])


@pytest.mark.parametrize(
    ("search", "words"),
    [
        ("grid", "(the first of 3 settings; none can be trained)"),
        (
            "optuna",
            "(what the trials start from, the first of 9 settings that were tried, the others",
        ),
        ("random", "the first of 13 settings that were tried"),
    ],
)
def test_what_no_device_can_train_is_refused_with_what_was_tried(root, search, words):
    made = space(
        root,
        {"training.learning_rate": Choice.of(0.1, 0.2, 0.3)},
        "federation.quotas.low_fraction=0.01",
        "federation.quotas.high_fraction=0.02",
    )
    request = SweepRequest(made, search=search).resolved()
    with pytest.raises(Unaffordable, match="no device can train step") as refused:
        check_trainable(request, base_config(request))
    assert words in str(refused.value) and "\n" not in str(refused.value)


def test_a_setting_that_goes_with_no_other_is_not_called_an_override(root):
    request = request_of(root, {"federation.cohort_size": Choice.of(7, 8)})
    with pytest.raises(UserError, match=r"is above num_devices=6 \(in the trial's settings\)") as refused:
        base_config(request)
    assert "override" not in str(refused.value)
