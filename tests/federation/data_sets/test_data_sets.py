import pytest

from profl_ray.config import DataConfig
from profl_ray.errors import UserError
from profl_ray.federation import load_data


def test_the_test_set_is_cut_to_its_first_images():
    whole, cut = load_data(DataConfig()), load_data(DataConfig(test_examples=7))
    assert (cut.test_inputs == whole.test_inputs[:7]).all()
    assert (cut.test_labels == whole.test_labels[:7]).all()
    assert cut.train_inputs.shape == whole.train_inputs.shape


def test_an_unknown_data_set_is_named():
    with pytest.raises(UserError, match=r"unknown data set 'digit'; did you mean 'digits'.*svhn"):
        load_data(DataConfig(name="digit"))
