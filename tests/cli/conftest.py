import os
import signal
import sys
from pathlib import Path
from typing import NamedTuple

import pytest

from profl_ray.cli.main import main
from profl_ray.signals import ENDING


def pytest_collection_modifyitems(items):
    """MLflow with SQLAlchemy 2.1 warns of a loader that SQLAlchemy will drop; that is theirs to fix."""
    here = Path(__file__).parent
    for item in items:
        if here in item.path.parents:
            item.add_marker(pytest.mark.filterwarnings("ignore:The ``noload`` loader:DeprecationWarning"))


class Result(NamedTuple):
    code: int
    out: str
    err: str


@pytest.fixture
def profl_ray(monkeypatch, capsys, tmp_path):
    """Return a function that runs a command line in this process, in an empty folder.

    `root` in an argument stands for the storage root. An exception that escapes fails the test: a user
    would see its traceback.
    """
    monkeypatch.chdir(tmp_path)
    for name in ("MLFLOW_TRACKING_URI", "RAY_ADDRESS", "RAY_JOB_ID"):
        monkeypatch.delenv(name, raising=False)
    # What the command line sets for its own process.
    before, handlers = dict(os.environ), [(number, signal.getsignal(number)) for number in ENDING]

    def run(*arguments):
        monkeypatch.setattr(sys, "argv", ["profl-ray", *map(str, arguments)])
        code = 0
        capsys.readouterr()
        try:
            main()
        except SystemExit as error:
            code = error.code or 0
        out, err = capsys.readouterr()
        return Result(code, out, err)

    yield run
    os.environ.clear()
    os.environ.update(before)
    for number, handler in handlers:
        signal.signal(number, handler)


@pytest.fixture(scope="session")
def needs_cache(tmp_path_factory):
    """One storage root for those who only estimate: each need is estimated once."""
    return tmp_path_factory.mktemp("needs")
