from dataclasses import replace
from statistics import fmean, stdev

import pytest
from synthetic_sweep import make_comparison, make_sweep

from analysis import result_rows
from analysis.group_table import group_table
from analysis.groups import group_rows, seeds_swept


def test_seeds_of_a_setting_are_taken_together(comparison_rows, groups):
    assert [group.label for group in groups] == ["ideal", "profl", "exclusive"]
    for group in groups[:2]:
        accuracies = [
            row.accuracy for row in comparison_rows if row.settings["method"] == group.settings["method"]
        ]
        assert group.accuracy == pytest.approx(fmean(accuracies))
        assert group.spread == pytest.approx(stdev(accuracies))
        assert group.num_finished == 2


def test_what_no_device_can_afford_is_not_ranked(groups):
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


def test_only_sweeps_over_seeds_have_groups(comparison_rows):
    assert seeds_swept(comparison_rows)
    assert not seeds_swept(result_rows(make_sweep()))
