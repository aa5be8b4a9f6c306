from pathlib import Path

import pytest

from profl_ray.server.record import RoundRecord
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


@pytest.fixture
def make_record():
    """Return a function that makes a record of a round; keywords replace single values."""

    def make(number=1, **changes):
        values = {
            "round": number,
            "stage": "grow",
            "block": 2,
            "step_index": 3,
            "step_round": 1,
            "step_ended": False,
            "end_reason": "",
            "units_grown": 4,
            "test_accuracy": 0.5,
            "test_loss": 1.25,
            "train_loss": 1.5,
            "effective_movement": None,
            "slope": None,
            "need_mib": 128.0,
            "measured_peak_mib": None,
            "reduction": 0.4,
            "eligible_share": 0.8,
            "cohort": (3, 5, 8),
            "trained": (3, 5),
            "failed": {8: "exceeded its memory quota"},
            "num_devices_ever": 7,
            "uplink_bytes": 1000,
            "downlink_bytes": 3000,
            "seconds": 0.5,
        }
        return RoundRecord(**(values | changes))

    return make
