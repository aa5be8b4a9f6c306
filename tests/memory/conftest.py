"""Small tasks to estimate, measure and cap."""

from collections.abc import Callable

import pytest

from profl_ray.config.load import load_experiment
from profl_ray.models import Network, SubModelPlan, check_partition, find_family
from profl_ray.training import LocalSGD, LocalTask

MakeTask = Callable[..., LocalTask]


@pytest.fixture
def make_task() -> MakeTask:
    """Return a function that makes ProFL's growing task of a block (None: the whole network)."""

    def make(
        name: str = "cnn",
        block: int | None = None,
        *,
        width: float = 0.25,
        size: int = 16,
        batch_size: int = 8,
        momentum: float = 0.9,
        partition: str | tuple[int, ...] = "stages",
    ) -> LocalTask:
        sizes = check_partition(partition, find_family(name).stages, name)
        network = Network(name, width, (3, size, size), 10, sizes)
        overrides = [f"training.batch_size={batch_size}", f"training.momentum={momentum}"]
        procedure = LocalSGD.configured(load_experiment("digits_tiny", overrides).training)
        last = block or network.num_blocks
        proxies = tuple(range(last + 1, network.num_blocks + 1))
        plan = SubModelPlan(network, last, proxies)
        active = ("units.",) if block is None else plan.unit_names(block)
        return LocalTask(f"grow {last}", plan, procedure, (*active, "proxies.", "head."), ("units.",))

    return make
