"""Fuzzing: `make fuzz` tries many more examples than the tests do, and writes how many into a page."""

from pathlib import Path

import pytest
from faults.table import write_between_marks

from .kit import REFUSED, TRIED


def pytest_addoption(parser):
    parser.addoption("--fuzz-table", metavar="PAGE", help="Markdown page to write the table into.")


def pytest_terminal_summary(terminalreporter, config):
    if not TRIED:
        return
    lines = ["| input | tried | refused with one line | taken |", "|---|---|---|---|"]
    for area in sorted(TRIED):
        tried, refused = TRIED[area], REFUSED[area]
        lines.append(f"| {area} | {tried:,} | {refused:,} | {tried - refused:,} |")
    tried, refused = TRIED.total(), REFUSED.total()
    lines.append(f"| **all** | {tried:,} | {refused:,} | {tried - refused:,} |")
    terminalreporter.section("fuzz")
    terminalreporter.write_line("\n".join(lines))
    if page := config.getoption("--fuzz-table"):
        write_between_marks(Path(page), "\n".join(lines), "fuzz")


@pytest.fixture(scope="session")
def storage(tmp_path_factory):
    """One storage root for all: needs are estimated once."""
    return tmp_path_factory.mktemp("runs")
