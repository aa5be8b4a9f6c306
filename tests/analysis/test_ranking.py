"""Rows, tables and verdict of a sweep that ranks by something else than accuracy."""

from dataclasses import replace

import pytest
from synthetic_sweep import make_comparison, make_sweep

from analysis import as_csv, as_text, result_rows, write_report
from analysis.groups import group_rows
from analysis.verdict import headline, reasons


def ranked(sweep, ranked_by):
    return replace(sweep, params=sweep.params | {"evaluation.ranked_by": ranked_by})


def test_the_frugal_win_where_memory_is_ranked_by():
    rows = result_rows(ranked(make_sweep(), "-peak_need_mib"))
    assert [row.rank for row in rows] == [1, 2, 3, 4, None, None]
    assert [row.peak_mib for row in rows[:4]] == sorted(row.peak_mib for row in rows[:4])
    assert "won: peak_need_mib 365, 9" in headline(rows)
    assert any("has peak_need_mib 365" in sentence for sentence in reasons(rows))
    assert as_text(rows).splitlines()[0].split("accuracy")[1].split()[0] == "peak_need_mib"
    assert as_csv(rows).splitlines()[0].startswith("rank,trial,outcome,phi,partition,peak_need_mib,accuracy")


def test_groups_are_ranked_by_their_means():
    groups = group_rows(result_rows(ranked(make_comparison(), "-uplink_bytes_total")))
    profl = next(group for group in groups if group.label == "profl")
    sent = [row.trial.summary["uplink_bytes_total"] for row in profl.finished]
    assert profl.ranked == pytest.approx(sum(sent) / 2) and profl.rank == 1


def test_a_value_that_no_trial_has_ranks_none_and_the_report_says_so(tmp_path):
    sweep = ranked(make_sweep(), "mask_density")
    rows = result_rows(sweep)
    assert {row.rank for row in rows} == {None} and rows[0].accuracy is not None
    assert headline(rows) == "Nothing that finished has a mask_density, so there is no winner."
    assert "mask_density" in write_report(sweep, tmp_path / "r.html").read_text()


def test_a_report_names_what_cannot_be_read(tmp_path):
    sweep = make_sweep()
    unread = [replace(trial, unreadable="no artifact records.jsonl") for trial in sweep.trials[:2]]
    text = write_report(replace(sweep, unread=unread), tmp_path / "r.html").read_text()
    assert "rounds cannot be read: trial-00, trial-01 (no artifact records.jsonl; written by" in text
