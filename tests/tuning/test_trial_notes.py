"""A sweep's notes of its trials: whole after a kill."""

import pytest

from profl_ray.tuning.sweep_trials import SweepTrials
from profl_ray.tuning.trial_notes import TrialEnd, TrialNotes

DONE = TrialEnd(outcome="finished", accuracy=0.5, units_grown=4, rounds=9, rounds_trained=7)
LOST = TrialEnd(outcome="failed", reason="RuntimeError: gone", final=False)


@pytest.fixture
def notes(tmp_path):
    made = TrialNotes(tmp_path)
    made.note_begin("00000", {"model.partition": [2, 2], "training.learning_rate": 0.1234567890123})
    made.note_end("00000", LOST)
    made.note_begin("00001", {"model.partition": "units", "training.learning_rate": 1})
    made.note_end("00001", LOST)
    made.note_end("00000", DONE)
    return made


def test_what_was_noted_is_read_and_the_last_end_counts(notes):
    noted = notes.read()
    assert list(noted.settings) == ["00000", "00001"]
    assert noted.settings["00000"] == {"model.partition": [2, 2], "training.learning_rate": 0.1234567890123}
    assert noted.ends == {"00000": DONE, "00001": LOST}


def test_nothing_noted_is_nothing_known(tmp_path):
    notes = TrialNotes(tmp_path)
    notes.repair()
    assert notes.read().settings == notes.read().ends == {} and not notes.path.exists()


@pytest.mark.parametrize("lost", range(2, 80, 7))
def test_a_torn_line_is_not_written_and_spoils_no_other(notes, lost):
    notes.path.write_bytes(notes.path.read_bytes()[:-lost])
    notes.repair()
    assert notes.read().ends == {"00000": LOST, "00001": LOST}
    notes.note_end("00000", DONE)
    assert notes.read().ends == {"00000": DONE, "00001": LOST}


@pytest.mark.parametrize("line", ["[]", "3", "{}", "\x00\x00", '{"trial": "00000", "end": {"outcom": 3}}'])
def test_a_line_that_says_nothing_is_passed_over(notes, line):
    before = notes.read()
    with notes.path.open("a") as file:
        file.write(line + "\n")
    assert notes.read() == before


def test_a_sweep_has_ended_when_all_its_trials_have_for_good(notes, tmp_path):
    planned = SweepTrials(tmp_path, [{"seed": 1}, {"seed": 2}, {"seed": 3}], 99)
    assert planned.num_trials == 3 and planned.drawn_anew() == 0
    assert planned.settings() == {"00000": {"seed": 1}, "00001": {"seed": 2}, "00002": {"seed": 3}}
    assert planned.num_final() == 1 and len(planned.noted().ends) == 2 and not planned.all_ended()
    notes.note_end("00001", DONE)
    notes.note_end("00002", TrialEnd(outcome="n/a", reason="no device"))
    notes.note_end("00003", DONE)  # Not one of its trials.
    assert planned.all_ended() and set(planned.noted().ends) == {"00000", "00001", "00002"}


def test_what_a_search_still_has_to_name_is_known(notes, tmp_path):
    assert SweepTrials(tmp_path, None, 5).drawn_anew() == 3
    assert SweepTrials(tmp_path, None, 2).drawn_anew() == 0
    assert SweepTrials(tmp_path / "new", None, 5).drawn_anew() == 0
