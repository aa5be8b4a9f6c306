"""The data sets, one a file; a new one is a file here and a line in DATA_SETS."""

from collections.abc import Callable
from dataclasses import replace

from profl_ray.config import DataConfig
from profl_ray.errors import NotHere, UserError, unknown_name
from profl_ray.federation.data_sets.cifar import load_cifar10, load_cifar100
from profl_ray.federation.data_sets.digits import load_digits
from profl_ray.federation.data_sets.fashion_mnist import load_fashion_mnist
from profl_ray.federation.data_sets.svhn import load_svhn
from profl_ray.federation.examples import Examples

DATA_SETS: dict[str, Callable[[DataConfig], Examples]] = {
    "digits": load_digits,
    "fashion_mnist": load_fashion_mnist,
    "cifar10": load_cifar10,
    "cifar100": load_cifar100,
    "svhn": load_svhn,
}

__all__ = ["DATA_SETS", "load_data"]


def load_data(config: DataConfig) -> Examples:
    """Return the data set that `config` names, with its test set cut to the first `test_examples`.

    A data set's content never depends on the experiment's seed. Raises UserError for an unknown name, and
    NotHere for files that are absent, damaged or cannot be downloaded.
    """
    if config.name not in DATA_SETS:
        raise unknown_name("data set", config.name, DATA_SETS)
    try:
        data = DATA_SETS[config.name](config)
    except UserError as error:
        raise NotHere(str(error)) from error
    if config.test_examples is None:
        return data
    kept = slice(config.test_examples)
    return replace(data, test_inputs=data.test_inputs[kept], test_labels=data.test_labels[kept])
