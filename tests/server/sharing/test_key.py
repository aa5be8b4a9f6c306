"""Which settings make a round another one, before anything is trained."""

import pytest

from profl_ray.server.sharing.key import PathKeys

from .kit import make_experiment


def path_of(root, *overrides):
    experiment = make_experiment(root, *overrides)
    strategy = experiment.make_strategy()
    return PathKeys(experiment, strategy).path(strategy.steps[0], [])


@pytest.mark.parametrize(
    ("overrides", "same"),
    [
        ((), True),
        (("training.schedule=cosine",), False),
        (("training.schedule=cosine", "training.schedule_over=step"), False),
        (("training.warm_up_share=0.1",), False),
    ],
)
def test_a_rules_limits_matter_where_a_schedule_goes_over_them(tmp_path, overrides, same):
    paths = {path_of(tmp_path, f"freezing.max_rounds={limit}", *overrides) for limit in (5, 9)}
    assert (len(paths) == 1) == same
    assert path_of(tmp_path, *overrides) == path_of(tmp_path, "freezing.phi=0.7", *overrides)


@pytest.mark.parametrize(
    "override",
    [
        "training.recompute=auto",
        "training.gradients=forward_mode",
        "training.optimizer=adamw",
        "training.schedule=step",
    ],
)
def test_how_devices_train_is_part_of_the_key(tmp_path, override):
    assert path_of(tmp_path) != path_of(tmp_path, override)
