import os
from pathlib import Path

import pytest

from profl_ray.cluster.ray_session import ray_session
from profl_ray.fleet.in_process import InProcessFleet
from profl_ray.server.experiment import assemble

from .kit import play, short_config


def pytest_collection_modifyitems(items):
    """MLflow with SQLAlchemy 2.1 warns of a loader that SQLAlchemy will drop; that is theirs to fix."""
    here = Path(__file__).parent
    for item in items:
        if here in item.path.parents:
            item.add_marker(pytest.mark.filterwarnings("ignore:The ``noload`` loader:DeprecationWarning"))


@pytest.fixture(scope="session")
def root(tmp_path_factory):
    """One storage root for all: the needs are estimated once."""
    return tmp_path_factory.mktemp("runs")


@pytest.fixture(scope="session")
def experiment(root):
    return assemble(short_config(root))


@pytest.fixture(scope="session")
def reference(experiment):
    """Digest and records of the run in one process."""
    return play(experiment, InProcessFleet(experiment))


@pytest.fixture(scope="module")
def local_ray():
    """A private Ray with four CPUs, however many the machine has; the environment is as before afterwards."""
    before = dict(os.environ)
    for name in ("RAY_ADDRESS", "RAY_JOB_ID"):
        os.environ.pop(name, None)
    try:
        with ray_session(num_cpus=4):
            yield
    finally:
        os.environ.clear()
        os.environ.update(before)
