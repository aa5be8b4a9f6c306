from synthetic_sweep import make_sweep

from analysis import result_rows, summary_text


def test_the_terminal_shows_means_and_why_something_is_missing(comparison_rows):
    text = summary_text(comparison_rows)
    assert "late accuracy" in text and "+-" in text
    assert "accuracy within so much local training" in text
    assert text.count("n/a: no device can train it") == 2


def test_tables_as_markdown(comparison_rows):
    text = summary_text(comparison_rows, markdown=True)
    assert text.startswith("| # | method | seeds | accuracy |")
    assert summary_text(result_rows(make_sweep()), markdown=True).startswith("| # |")
