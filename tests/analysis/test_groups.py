import io
import re
from dataclasses import replace
from statistics import fmean, stdev

import numpy as np
import pytest
from synthetic_sweep import make_comparison, make_sweep

from analysis import description, result_rows, summary_text, write_pictures, write_report
from analysis.curves import curve_points, curves_figure, mean_curve, participation_bars
from analysis.figures import pareto_figure
from analysis.group_table import WORK_SHARES, accuracy_within, group_table, work_table
from analysis.groups import group_rows, seeds_swept
from analysis.verdict import headline, reasons
from profl_ray.tracking.style import save


@pytest.fixture(scope="module")
def rows():
    return result_rows(make_comparison())


@pytest.fixture(scope="module")
def groups(rows):
    return group_rows(rows)


def test_seeds_of_a_setting_are_taken_together(rows, groups):
    assert [group.label for group in groups] == ["ideal", "profl", "exclusive"]
    for group in groups[:2]:
        accuracies = [row.accuracy for row in rows if row.settings["method"] == group.settings["method"]]
        assert group.accuracy == pytest.approx(fmean(accuracies))
        assert group.spread == pytest.approx(stdev(accuracies))
        assert group.num_finished == 2


def test_what_nobody_can_afford_is_not_ranked(groups):
    assert [group.rank for group in groups] == [None, 1, None], "the reference has no rank either"
    assert groups[-1].outcome == "n/a"
    assert groups[-1].accuracy is None and groups[-1].spread is None


def test_a_failed_seed_is_counted_and_left_out_of_the_mean():
    sweep = make_comparison()
    failed = replace(sweep.trials[0], status="FAILED", summary={})
    groups = group_rows(result_rows(replace(sweep, trials=[failed, *sweep.trials[1:]])))
    profl = next(group for group in groups if group.settings["method"] == "profl")
    assert (profl.num_finished, len(profl.rows), profl.spread) == (1, 2, None)
    assert profl.accuracy == sweep.trials[3].summary["final_accuracy"]
    line = next(line for line in group_table(groups) if "profl" in line)
    assert "1 of 2" in line


def test_only_sweeps_over_seeds_have_groups(rows):
    assert seeds_swept(rows)
    assert not seeds_swept(result_rows(make_sweep()))


def test_late_accuracy_is_a_mean_inside_the_last_step(rows):
    row = rows[0]
    last_step = row.trial.records[-1].step_index
    seen = [r.test_accuracy for r in row.trial.records if r.step_index == last_step and r.test_accuracy]
    assert row.late_accuracy == pytest.approx(fmean(seen[-3:]))


def test_accuracy_within_a_budget_is_the_last_one_that_it_paid_for(rows):
    row = next(row for row in rows if row.settings["method"] == "profl")
    assert accuracy_within(row, 0.0) is None
    assert accuracy_within(row, row.tflop) == row.accuracy == accuracy_within(row, 10 * row.tflop)
    total = 0.0
    for record in row.trial.records:
        total += record.local_flops / 1e12
        if record.test_accuracy is not None and record.stage != "map":
            assert accuracy_within(row, total) == record.test_accuracy


def test_all_work_gives_the_final_accuracy(groups):
    table = work_table(groups)
    assert len(table[0]) == 1 + len(WORK_SHARES)
    finals = {group.label: group.accuracy for group in groups if group.accuracy is not None}
    for line in table[1:3]:
        assert line[-1] == f"{100 * finals[line[0]]:.1f} %"
    assert table[3][1:] == ["-"] * len(WORK_SHARES)


def test_lines_begin_with_growing(rows):
    profl, ideal = (
        next(row for row in rows if row.settings["method"] == name) for name in ("profl", "ideal")
    )
    assert len(curve_points(profl, "rounds")) < len([r for r in profl.trial.records if r.test_accuracy])
    assert len(curve_points(ideal, "rounds")) == len([r for r in ideal.trial.records if r.test_accuracy])
    assert curve_points(profl, "work")[-1][0] == pytest.approx(profl.tflop)
    assert curve_points(profl, "uplink")[-1][0] == pytest.approx(profl.uplink_mib / 1024)


def test_the_mean_of_curves_ends_at_the_mean_of_their_ends():
    first = (np.array([0.0, 10.0]), np.array([0.0, 1.0]))
    second = (np.array([2.0, 20.0]), np.array([0.5, 0.5]))
    grid, mean, least, most = mean_curve([first, second])
    assert (grid[0], grid[-1]) == (1.0, 15.0)
    assert mean[0] == pytest.approx(0.25)
    assert mean[-1] == pytest.approx(0.75)
    assert (least[-1], most[-1]) == (0.5, 1.0)


@pytest.mark.parametrize("draw", [curves_figure, pareto_figure, participation_bars])
def test_figures_can_be_drawn_of_any_number_of_settings(draw, groups):
    for some in (groups, groups[:1], groups[-1:], []):
        stream = io.BytesIO()
        save(draw(some), stream, "png")
        assert stream.getvalue()


def test_words_name_the_winner_over_seeds(rows, groups):
    assert re.fullmatch(
        r"profl won: 9\d\.\d \+- \d\.\d % test accuracy in the mean of 2 seeds\.", headline(groups)
    )
    assert "1 n/a (of 3 settings)" in " ".join(reasons(groups))
    text = description(rows, "About.")
    assert text.count("| late accuracy |") == 1
    assert text.count("| rounds by step |") == 1


def test_the_terminal_shows_means_and_why_something_is_missing(rows):
    text = summary_text(rows)
    assert "late accuracy" in text and "+-" in text
    assert "accuracy within so much local training" in text
    assert text.count("n/a: no device can train it") == 2


def test_the_page_has_means_equal_work_and_every_trial(tmp_path):
    page = write_report(make_comparison(), tmp_path / "report.html").read_text()
    for heading in ("Results over seeds", "Accuracy at equal work", "Every trial"):
        assert f"<h2>{heading}</h2>" in page
    assert page.count("<details") == 6 + 1
    assert "Results over seeds" not in write_report(make_sweep(), tmp_path / "other.html").read_text()


def test_figures_are_written_as_files_too(tmp_path, rows):
    paths = write_pictures(rows, tmp_path / "figures")
    names = {"curves", "pareto", "participation"}
    assert {path.name for path in paths} == {f"{name}.{kind}" for name in names for kind in ("png", "pdf")}
    for path in paths:
        assert path.read_bytes().startswith(b"%PDF" if path.suffix == ".pdf" else b"\x89PNG")


def test_tables_as_markdown(rows):
    text = summary_text(rows, markdown=True)
    assert text.startswith("| # | method | seeds | accuracy |")
    assert summary_text(result_rows(make_sweep()), markdown=True).startswith("| # |")
