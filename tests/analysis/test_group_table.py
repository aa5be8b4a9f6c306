import pytest

from analysis.group_table import WORK_SHARES, accuracy_within, work_table
from analysis.table import small_number


def test_accuracy_within_a_budget_is_the_last_one_that_it_paid_for(comparison_rows):
    row = next(row for row in comparison_rows if row.settings["method"] == "profl")
    assert accuracy_within(row, 0.0) is None
    assert accuracy_within(row, row.tflop) == row.accuracy == accuracy_within(row, 10 * row.tflop)
    total = 0.0
    for record in row.trial.records:
        total += record.local_flops / 1e12
        if record.test_accuracy is not None and record.compares:
            assert accuracy_within(row, total) == record.test_accuracy


def test_all_work_gives_the_final_accuracy(groups):
    table = work_table(groups)
    assert len(table[0]) == 1 + len(WORK_SHARES)
    finals = {group.label: group.accuracy for group in groups if group.accuracy is not None}
    for line in table[1:3]:
        assert line[-1] == f"{100 * finals[line[0]]:.1f} %"
    assert table[3][1:] == ["-"] * len(WORK_SHARES)


def test_budgets_of_a_small_comparison_can_be_told_apart(groups):
    budgets = work_table(groups)[0][1:]
    assert len(set(budgets)) == len(WORK_SHARES) and all(cell.endswith(" TFLOP") for cell in budgets)


@pytest.mark.parametrize(
    ("value", "shown"),
    [(None, "-"), (0.0, "0.0"), (0.005461, "0.0055"), (0.25, "0.25"), (1.0, "1.0"), (1234.56, "1,234.6")],
)
def test_a_small_number_keeps_two_digits(value, shown):
    assert small_number(value) == shown
