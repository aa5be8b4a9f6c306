import json
import shutil

import numpy as np
import pytest

from profl_ray.errors import UserError
from profl_ray.server.checkpoint import FACTS, TENSORS, Snapshot
from profl_ray.server.formats import FORMAT, stamp
from profl_ray.server.run_folder import RunFolder

from .kit import short_config
from .test_record import make_record


def snapshot(rounds):
    return Snapshot({"a": np.full(2, rounds, np.float32)}, {"rounds": rounds})


@pytest.fixture
def folder(tmp_path):
    folder = RunFolder(tmp_path / "deep" / "run")
    assert not folder.exists
    folder.begin(short_config(tmp_path), {"name": "run", "mlflow_run_id": "abc"}, {"digest": "d"})
    return folder


def play(folder, *rounds, save=True):
    for number in rounds:
        folder.append(make_record(number))
        if save:
            folder.save(number, snapshot(number))


def names(folder):
    return [path.name for path in sorted(folder.checkpoints_path.iterdir())]


def written(folder):
    return [json.loads(line)["round"] for line in folder.records_path.read_text().splitlines()]


def test_what_was_begun_is_read_back(folder, tmp_path):
    assert folder.exists
    facts = folder.facts()
    assert len(facts.pop("id")) == 32 and len(facts.pop("config_sha256")) == 64
    assert facts == {"name": "run", "mlflow_run_id": "abc"} | stamp()
    assert folder.config() == short_config(tmp_path)


def test_a_folder_that_is_no_run_is_told(tmp_path):
    with pytest.raises(UserError, match=f"^{tmp_path} is not the folder of a run"):
        RunFolder(tmp_path).config()


def test_two_checkpoints_are_kept(folder):
    play(folder, 1)
    assert names(folder) == ["round-000001"]
    play(folder, 2, 3)
    assert names(folder) == ["round-000002", "round-000003"]
    saved = folder.latest()
    assert saved.snapshot.facts == {"rounds": 3} and saved.skipped == ()
    assert saved.records == [make_record(1), make_record(2), make_record(3)]


def test_rounds_are_ordered_as_numbers(folder):
    play(folder, *range(1, 13))
    assert names(folder) == ["round-000011", "round-000012"]


def test_records_beyond_the_checkpoint_are_forgotten(folder):
    """Killed between a round's record and its checkpoint, or between two checkpoints."""
    play(folder, 1)
    play(folder, 2, 3, save=False)
    saved = folder.latest()
    assert saved.snapshot.facts == {"rounds": 1} and saved.records == [make_record(1)]
    assert written(folder) == [1]
    play(folder, 2)
    assert written(folder) == [1, 2]


def test_a_record_that_was_torn_while_it_was_written_is_forgotten(folder):
    play(folder, 1)
    with folder.records_path.open("a") as file:
        file.write('{"round": 2, "sta')
    assert folder.latest().records == [make_record(1)]
    play(folder, 2)
    assert written(folder) == [1, 2]


SPOILT = {
    "rubbish": (lambda newest, _: (newest / FACTS).write_bytes(b"\xff\x00"), "cannot be read"),
    "torn": (
        lambda newest, _: (newest / TENSORS).write_bytes((newest / TENSORS).read_bytes()[:-5]),
        "checksum",
    ),
    "empty": (lambda newest, _: [path.unlink() for path in newest.iterdir()], "cannot be read"),
    "foreign": (lambda newest, other: shutil.copytree(other, newest, dirs_exist_ok=True), "another run"),
}


@pytest.mark.parametrize("kind", SPOILT)
def test_a_newest_checkpoint_that_cannot_be_used_is_named_and_gives_way_to_the_older(folder, tmp_path, kind):
    play(folder, 1, 2, 3)
    other = RunFolder(tmp_path / "other")
    other.begin(short_config(tmp_path), {"name": "other", "mlflow_run_id": ""}, {})
    play(other, 1, 2, 3)
    newest = folder.checkpoints_path / "round-000003"
    spoil, words = SPOILT[kind]
    spoil(newest, other.checkpoints_path / "round-000003")
    saved = folder.latest()
    assert saved.snapshot.facts == {"rounds": 2}
    assert [record.round for record in saved.records] == written(folder) == [1, 2]
    (skipped,) = saved.skipped
    assert str(newest) in skipped and words in skipped
    play(folder, 3)
    assert folder.latest().snapshot.facts == {"rounds": 3}


def test_nothing_readable_is_an_error_that_names_the_newest(folder):
    play(folder, 1, 2)
    for path in folder.checkpoints_path.iterdir():
        (path / FACTS).unlink()
    with pytest.raises(UserError, match="round-000002"):
        folder.latest()
    assert written(folder) == [1, 2], "nothing is thrown away"


def test_nothing_saved_means_a_fresh_start_with_no_records(folder):
    assert folder.latest() is None
    play(folder, 1, save=False)
    assert folder.latest() is None
    play(folder, 1, 2)
    assert written(folder) == [1, 2]


def test_what_a_kill_left_while_saving_is_no_checkpoint(folder):
    play(folder, 1)
    (folder.checkpoints_path / ".round-000002.abc").mkdir()
    assert folder.latest().snapshot.facts == {"rounds": 1}
    assert names(folder) == ["round-000001"], "and it is tidied away"


def test_records_that_are_gone_make_their_checkpoint_useless(folder):
    play(folder, 1, 2, 3)
    lines = folder.records_path.read_text().splitlines(keepends=True)
    folder.records_path.write_text("".join(lines[:2]))
    saved = folder.latest()
    assert saved.snapshot.facts == {"rounds": 2} and len(saved.records) == 2
    assert "does not hold the records of rounds 1 to 3" in saved.skipped[0]


@pytest.mark.parametrize("text", ["", "{", "[1]", '{"name": "run"}', "\x00\xff"])
def test_spoilt_facts_are_told_in_one_line(folder, text):
    (folder.path / "run.json").write_text(text)
    with pytest.raises(UserError, match=r"run\.json") as caught:
        folder.facts()
    assert len(str(caught.value).splitlines()) == 1


FORMATS = {
    "before": ({"format": None}, r"has no format number \(it was written before format 5\)"),
    "older": (
        {"format": FORMAT - 1, "written_by": "profl-ray 0.0.9 at 1a3ad41"},
        rf"has format {FORMAT - 1}, written by profl-ray 0.0.9 at 1a3ad41; .* reads format {FORMAT} "
        r"\(fix: finish it with profl-ray 0.0.9 at 1a3ad41, or begin",
    ),
    "newer": ({"format": 6, "written_by": "profl-ray 9\n"}, "has format 6, written by profl-ray 9; this is"),
    "strange": ({"format": "5\n\n", "written_by": ["x"]}, "has format 5, written by"),
}


@pytest.mark.parametrize("case", FORMATS)
def test_a_run_of_another_format_is_refused_by_name_and_left_as_it_is(folder, make_record, case):
    folder.append(make_record(1))
    folder.save(1, Snapshot({}, {"rounds": 1}))
    change, words = FORMATS[case]
    facts = {k: v for k, v in (folder.facts() | change).items() if v is not None}
    (folder.path / "run.json").write_text(json.dumps(facts))
    before = {path: path.read_bytes() for path in folder.path.rglob("*") if path.is_file()}
    for ask in (folder.facts, folder.config, folder.latest, lambda: folder.note(x=1)):
        with pytest.raises(UserError, match=rf"run\.json {words}") as caught:
            ask()
        assert len(str(caught.value).splitlines()) == 1
    assert {path: path.read_bytes() for path in folder.path.rglob("*") if path.is_file()} == before


def test_a_run_is_played_by_one_process_alone(folder):
    folder.acquire()
    other = RunFolder(folder.path)
    with pytest.raises(UserError, match="is being run by another process"):
        other.acquire()
    folder.release()
    other.acquire()
    other.release()
