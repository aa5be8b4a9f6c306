from pathlib import Path

import pytest

from profl_ray.tracking import prepare_store


def pytest_collection_modifyitems(items):
    """Warnings that others must fix: SQLAlchemy's loader in MLflow, and what Tune and Optuna say."""
    here = Path(__file__).parent
    for item in items:
        if here in item.path.parents:
            for theirs in ("ignore:The ``noload`` loader:DeprecationWarning",):
                item.add_marker(pytest.mark.filterwarnings(theirs))


@pytest.fixture(scope="session")
def root(tmp_path_factory):
    """One storage root for all: the needs are estimated once, MLflow's tables are made once."""
    folder = tmp_path_factory.mktemp("sweeps")
    prepare_store(f"sqlite:///{folder}/mlflow.db", "profl-ray", folder)
    return folder
