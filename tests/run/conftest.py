from pathlib import Path

import pytest
from fleet.conftest import experiment, reference, root  # noqa: F401  fixtures


def pytest_collection_modifyitems(items):
    """MLflow with SQLAlchemy 2.1 warns of a loader that SQLAlchemy will drop; that is theirs to fix."""
    here = Path(__file__).parent
    for item in items:
        if here in item.path.parents:
            item.add_marker(pytest.mark.filterwarnings("ignore:The ``noload`` loader:DeprecationWarning"))
