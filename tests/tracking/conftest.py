from pathlib import Path

import pytest

from profl_ray.tracking import prepare_store


def pytest_collection_modifyitems(items):
    """MLflow with SQLAlchemy 2.1 warns of a loader that SQLAlchemy will drop; that is theirs to fix."""
    here = Path(__file__).parent
    for item in items:
        if here in item.path.parents:
            item.add_marker(pytest.mark.filterwarnings("ignore:The ``noload`` loader:DeprecationWarning"))


@pytest.fixture(scope="session")
def store(tmp_path_factory):
    """One SQLite store for all tests: creating its tables takes some seconds. (uri, experiment id, folder)"""
    root = tmp_path_factory.mktemp("store")
    uri = f"sqlite:///{root}/mlflow.db"
    return uri, prepare_store(uri, "profl-ray", root), root
