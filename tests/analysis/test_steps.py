"""The table of a trial's steps."""

from synthetic_sweep import make_records

from analysis import steps_as_markdown
from analysis.steps import HEADINGS, step_cells


def test_one_line_per_step():
    rounds = make_records()
    lines = step_cells(rounds)
    assert len(lines) == len({record.step_index for record in rounds})
    assert sum(int(line[1]) for line in lines) == len(rounds)
    assert all(len(line) == len(HEADINGS) for line in lines)


def test_markdown_has_a_head():
    first, second, *_ = steps_as_markdown(make_records()).splitlines()
    assert first.startswith("| step |") and set(second) <= set("|- ")
