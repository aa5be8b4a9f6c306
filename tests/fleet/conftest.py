from pathlib import Path

import pytest

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
