import pytest
from synthetic_sweep import make_comparison

from analysis import result_rows
from analysis.groups import group_rows


@pytest.fixture(scope="session")
def comparison_rows():
    return result_rows(make_comparison())


@pytest.fixture(scope="session")
def groups(comparison_rows):
    return group_rows(comparison_rows)
