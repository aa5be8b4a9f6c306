"""The data sets, one a file; a new one is a file here and a line in DATA_SETS, or is named where it lies."""

from collections.abc import Callable
from dataclasses import replace
from typing import cast

from profl_ray.errors import NotHere, UserError, unknown_name
from profl_ray.federation.data_sets.cifar import load_cifar10, load_cifar100
from profl_ray.federation.data_sets.digits import load_digits
from profl_ray.federation.data_sets.fashion_mnist import load_fashion_mnist
from profl_ray.federation.data_sets.svhn import load_svhn
from profl_ray.federation.examples import Examples
from profl_ray.plugins import is_reference, load
from profl_ray.sections import DataConfig

DATA_SETS: dict[str, Callable[[DataConfig], Examples]] = {
    "digits": load_digits,
    "fashion_mnist": load_fashion_mnist,
    "cifar10": load_cifar10,
    "cifar100": load_cifar100,
    "svhn": load_svhn,
}

__all__ = ["DATA_SETS", "find_data_set", "load_data"]


def find_data_set(name: str) -> Callable[[DataConfig], Examples]:
    """Return the function that loads a data set, by its name or as FILE.py:NAME or package.module:NAME.

    Raises UserError for an unknown name, and for what is no function.
    """
    if not is_reference(name):
        if name not in DATA_SETS:
            raise unknown_name("data set", name, DATA_SETS)
        return DATA_SETS[name]
    found = load(name, "data.name")
    if not callable(found):
        raise UserError(f"data.name={name}: is no function that takes a DataConfig")
    return cast(Callable[[DataConfig], Examples], found)


def load_data(config: DataConfig) -> Examples:
    """Return the data set that `config` names, with its test set cut to the first `test_examples`.

    A data set's content never depends on the experiment's seed. Raises UserError for an unknown name, and
    NotHere for files that are absent, damaged or cannot be downloaded.
    """
    load_it = find_data_set(config.name)
    try:
        data = load_it(config)
    except UserError as error:
        raise NotHere(str(error)) from error
    if not isinstance(data, Examples):
        raise UserError(f"data.name={config.name}: gives {type(data).__name__}, not Examples")
    if config.test_examples is None:
        return data
    kept = slice(config.test_examples)
    return replace(data, test_inputs=data.test_inputs[kept], test_labels=data.test_labels[kept])
