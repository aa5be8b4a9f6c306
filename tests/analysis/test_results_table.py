import csv
import io
from dataclasses import replace

import pytest
from synthetic_sweep import make_sweep

from analysis import as_csv, as_markdown, as_text, result_rows
from analysis.rows import short_names


@pytest.fixture(scope="module")
def rows():
    return result_rows(make_sweep())


def test_the_best_is_first_and_the_unfinished_last(rows):
    accuracies = [row.accuracy for row in rows if row.rank]
    assert accuracies == sorted(accuracies, reverse=True)
    assert [row.rank for row in rows] == [1, 2, 3, 4, None, None]
    assert [row.outcome for row in rows[-2:]] == ["failed", "stopped"]


def test_equal_accuracy_is_won_by_less_memory():
    sweep = make_sweep()
    trials = [
        replace(trial, summary=trial.summary | {"final_accuracy": 0.9})
        for trial in sweep.trials
        if trial.outcome == "finished"
    ]
    assert result_rows(replace(sweep, trials=trials))[0].peak_mib == 365.0


def test_rounds_by_step_add_up(rows):
    for row in rows:
        assert sum(row.rounds_by_step.values()) == row.rounds
    assert list(rows[-1].rounds_by_step) == ["shrink 2"]


def test_a_finished_trial_without_an_accuracy_is_not_available():
    sweep = make_sweep()
    none = replace(sweep.trials[1], summary={}, records=[], tags={"profl_ray.reason": "no device fits"})
    (row,) = result_rows(replace(sweep, trials=[none]))
    assert (row.rank, row.outcome, row.rounds) == (None, "n/a", None)
    assert "n/a: no device fits" in as_text([row])


def test_settings_have_short_names_where_these_are_clear():
    keys = ["freezing.phi", "model.name", "strategy.name"]
    assert short_names(keys) == {
        "freezing.phi": "phi",
        "model.name": "model.name",
        "strategy.name": "strategy.name",
    }


def test_text_has_a_line_per_trial_and_the_reason(rows):
    lines = as_text(rows).splitlines()
    assert len(lines) == 2 + 6 + 1
    assert "91.1 %" in lines[2]
    assert lines[-1].endswith("ActorDiedError: <killed> by the kernel")


def test_markdown_has_equal_columns(rows):
    table = [line for line in as_markdown(rows).splitlines() if line.startswith("|")]
    assert len(table) == 8
    assert len({line.count("|") for line in table}) == 1


def test_csv_is_exact(rows):
    read = list(csv.DictReader(io.StringIO(as_csv(rows))))
    assert float(read[0]["accuracy"]) == rows[0].accuracy
    assert read[0]["partition"] == "[2,2,2,2]"
    assert read[-1]["accuracy"] == ""


def test_no_trials_make_an_empty_table():
    rows = result_rows(replace(make_sweep(), trials=[]))
    assert len(as_text(rows).splitlines()) == 2
    assert as_csv(rows).count("\n") == 1


def test_late_accuracy_is_a_mean_inside_the_last_step(rows):
    records = rows[0].trial.records
    last_step = records[-1].step_index
    seen = [r.test_accuracy for r in records if r.step_index == last_step and r.test_accuracy is not None]
    assert rows[0].late_accuracy == pytest.approx(sum(seen[-3:]) / 3)
