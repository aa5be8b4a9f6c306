import re
from dataclasses import replace

import pytest
from synthetic_sweep import make_comparison, make_sweep

from analysis import result_rows, write_report
from analysis.verdict import headline, reasons


@pytest.fixture(scope="module")
def page(tmp_path_factory):
    path = tmp_path_factory.mktemp("report") / "new folder" / "report.html"
    assert write_report(make_sweep(), path) == path
    return path.read_text(encoding="utf-8")


def test_the_winner_is_named_in_plain_words():
    rows = result_rows(make_sweep())
    assert headline(rows) == "The trial with phi 0.2 and partition [2,2,2,2] won: 91.1 % test accuracy."
    text = " ".join(reasons(rows))
    assert "48.0 % below training the full model" in text
    assert "may be chance" in text
    assert "1 failed, 1 stopped (of 6 trials)" in text


def test_the_report_asks_for_nothing_from_outside(page):
    sources = re.findall(r'(?:src|href|url)\s*[=(]\s*"?([^">)]+)', page)
    assert sources
    assert all(source.startswith("data:image/svg+xml;base64,") for source in sources)
    assert "<script" not in page


def test_text_of_users_is_escaped(page):
    assert "&lt;killed&gt; by the kernel" in page
    assert "<killed>" not in page


def test_the_report_has_all_trials_and_the_configuration(page):
    assert page.count("<details") == 6 + 1
    assert "freezing.fit_rounds" in page
    assert "<code>seed</code> = 42" in page


@pytest.mark.parametrize("keep", [slice(0, 0), slice(0, 1), slice(1, 2), slice(5, 6)])
def test_small_sweeps_have_a_report_too(tmp_path, keep):
    sweep = make_sweep()
    path = write_report(replace(sweep, trials=sweep.trials[keep]), tmp_path / "report.html")
    text = path.read_text(encoding="utf-8")
    assert text.count("<tr") >= 2
    assert ("no winner yet" in text) == (keep != slice(1, 2))


def test_a_run_without_settings_or_rounds_has_a_report(tmp_path):
    sweep = make_sweep()
    trial = replace(sweep.trials[1], params={}, tags={}, quotas_mib=[], records=[])
    text = write_report(replace(sweep, trials=[trial]), tmp_path / "r.html").read_text(encoding="utf-8")
    assert "trial-01 reached" in text
    assert "No configuration was recorded." in text


def test_a_comparison_has_means_equal_work_and_every_trial(tmp_path):
    page = write_report(make_comparison(), tmp_path / "report.html").read_text()
    for heading in ("Results over seeds", "Accuracy at equal work", "Every trial"):
        assert f"<h2>{heading}</h2>" in page
    assert page.count("<details") == 6 + 1
    assert "Results over seeds" not in write_report(make_sweep(), tmp_path / "other.html").read_text()
