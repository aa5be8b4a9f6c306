import pytest

from profl_ray.server.experiment import assemble

from .kit import short_config


@pytest.fixture(scope="session")
def root(tmp_path_factory):
    """One storage root for all: the needs are estimated once."""
    return tmp_path_factory.mktemp("runs")


@pytest.fixture(scope="session")
def experiment(root):
    return assemble(short_config(root))
