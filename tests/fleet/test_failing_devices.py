"""Devices that fail by themselves: dropped by rule, reported, and the same on every fleet."""

from contextlib import closing
from dataclasses import replace

import pytest

from profl_ray.errors import UserError
from profl_ray.fleet.build import build_fleet
from profl_ray.fleet.in_process import InProcessFleet
from profl_ray.server.experiment import assemble

from .kit import play, short_config

POISONED = 2


@pytest.fixture(scope="module")
def failing(root):
    """Device 2 has a label that does not exist."""
    whole = assemble(short_config(root, "fleet.backend=ray", "fleet.num_actors=2"))
    labels = whole.data.train_labels.copy()
    labels[whole.split.indices[POISONED][0]] = 10
    return replace(whole, data=replace(whole.data, train_labels=labels))


def test_a_device_with_bad_data_is_dropped_and_the_others_train(failing):
    digest, records = play(failing, InProcessFleet(failing))
    drawn = [record for record in records if POISONED in record.cohort]
    assert drawn, "it is drawn at times"
    for record in drawn:
        assert record.failed == {POISONED: "device 2 has 40 examples, whose labels are not all in 0..9"}
        assert set(record.trained) == set(record.cohort) - {POISONED}
    assert digest == play(failing, InProcessFleet(failing))[0]


@pytest.mark.ray
def test_it_is_the_same_on_ray(failing, local_ray):
    expected = play(failing, InProcessFleet(failing))
    with closing(build_fleet(failing)) as fleet:
        assert play(failing, fleet) == expected
        assert fleet.crew.num_lost == 0, "its actor went on"


def test_weights_that_became_infinite_are_dropped_by_rule(root):
    """A rate at which every device diverges: nothing is merged, and the run says why it ends."""
    experiment = assemble(
        short_config(root, "training.learning_rate=1e30", "training.max_gradient_norm=null")
    )
    with pytest.raises(UserError, match=r"no device's update was merged .*sent NaN or infinity"):
        play(experiment, InProcessFleet(experiment))
