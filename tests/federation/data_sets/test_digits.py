import numpy as np

from profl_ray.config import DataConfig
from profl_ray.federation import load_data


def test_digits_are_whole():
    data = load_data(DataConfig())
    assert data.input_shape == (1, 8, 8) and data.num_classes == 10
    assert len(data.train_inputs) + len(data.test_inputs) == 1797
    assert data.train_inputs.min() == 0 and data.train_inputs.max() == 255
    assert 0.28 < data.inputs.mean[0] < 0.33 and 0.35 < data.inputs.std[0] < 0.40
    assert data.train_inputs.flags.writeable and data.train_labels.flags.writeable


def test_the_split_is_stratified_disjoint_and_fixed():
    data, again = load_data(DataConfig()), load_data(DataConfig())
    assert (data.test_inputs == again.test_inputs).all()
    train, test = np.bincount(data.train_labels), np.bincount(data.test_labels)
    assert (np.abs(test / (train + test) - 0.2) < 0.01).all()
    # The first test images, which `test_examples` would keep, are of mixed classes.
    assert len(np.unique(data.test_labels[:50])) == 10
