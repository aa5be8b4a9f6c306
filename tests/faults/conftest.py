"""The fault suite: processes are really killed and stopped, and every test adds a line to one table."""

import tempfile
from pathlib import Path

import pytest
from e2e.program import Program

from profl_ray.tracking import prepare_store

from .table import Fault, markdown, text, write_between_marks


def pytest_addoption(parser):
    parser.addoption("--fault-table", metavar="PAGE", help="Markdown page to write the table into.")


def pytest_configure(config):
    config.stash[FAULTS] = []


FAULTS = pytest.StashKey[list[Fault]]()


def pytest_collection_modifyitems(items):
    here = Path(__file__).parent
    for item in items:
        if here in item.path.parents:
            item.add_marker(pytest.mark.e2e)
            item.add_marker(pytest.mark.filterwarnings("ignore:The ``noload`` loader:DeprecationWarning"))


def pytest_terminal_summary(terminalreporter, config):
    faults = config.stash[FAULTS]
    if faults:
        terminalreporter.section("faults")
        terminalreporter.write_line(text(faults))
        if page := config.getoption("--fault-table"):
            write_between_marks(Path(page), markdown(faults))


@pytest.fixture
def fault(request):
    """Return a function that begins this test's line in the table."""

    def begin(what):
        fault = Fault(what)
        request.config.stash[FAULTS].append(fault)
        return fault

    return begin


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
    """One storage root for all, with an MLflow store that has its tables."""
    root = tmp_path_factory.mktemp("runs")
    prepare_store(f"sqlite:///{root}/mlflow.db", "profl-ray", root)
    return root
