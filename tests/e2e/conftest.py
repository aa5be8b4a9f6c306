import tempfile
from pathlib import Path

import pytest

from .program import Program


def pytest_collection_modifyitems(items):
    here = Path(__file__).parent
    for item in items:
        if here in item.path.parents:
            item.add_marker(pytest.mark.e2e)


@pytest.fixture
def program(tmp_path):
    """A program with a temporary folder of its own; whatever it leaves running is ended after the test."""
    # Ray's sockets need a short path.
    with tempfile.TemporaryDirectory(prefix="e2e", dir="/tmp", ignore_cleanup_errors=True) as temporary:
        made = Program(str(tmp_path), Path(temporary))
        yield made
        made.end()


@pytest.fixture(scope="session")
def runs(tmp_path_factory):
    """One storage root for all: needs are estimated once, MLflow's tables are made once."""
    return tmp_path_factory.mktemp("runs")
