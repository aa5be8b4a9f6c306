import re

from analysis import description
from analysis.verdict import headline, reasons


def test_words_name_the_winner_over_seeds(comparison_rows, groups):
    assert re.fullmatch(
        r"profl won: 9\d\.\d \+- \d\.\d % test accuracy in the mean of 2 seeds\.", headline(groups)
    )
    assert "1 n/a (of 3 settings)" in " ".join(reasons(groups))
    text = description(comparison_rows, "About.")
    assert text.count("| late accuracy |") == 1
    assert text.count("| rounds by step |") == 1


def test_a_reference_alone_wins_nothing(groups):
    assert headline(groups[:1]) == "Only the reference that ignores quotas finished, so there is no winner."
    assert "The reference that ignores quotas, ideal: " in " ".join(reasons(groups[:1]))
