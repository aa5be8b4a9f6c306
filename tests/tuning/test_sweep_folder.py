"""What a sweep was begun with, and what of it may be asked for otherwise when it is resumed."""

import json
from dataclasses import replace

import pytest

from profl_ray.errors import UserError
from profl_ray.tuning import Choice, SweepRequest
from profl_ray.tuning.sweep_folder import Tracked, begun_sweep, keep_sweep, planned_trials

from .kit import config, space

TRACKED = Tracked("sqlite:////some/mlflow.db", "3", "a parent")


@pytest.fixture
def asked(tmp_path):
    return config(tmp_path).with_absolute_paths()


@pytest.fixture
def request_for_all(tmp_path):
    return SweepRequest(space(tmp_path, {"seed": Choice.of(1, 2)}), max_concurrent=2, scheduler="halving")


@pytest.fixture
def begun(tmp_path, asked, request_for_all):
    """The folder of a sweep that was interrupted."""
    keep_sweep(tmp_path / "one", request_for_all.resolved(), asked, TRACKED, [{"seed": 1}, {"seed": 2}])
    return tmp_path / "one"


def test_it_resumes_as_it_was_begun(begun, asked, request_for_all):
    plain = SweepRequest(request_for_all.space)
    for now in (plain, request_for_all, request_for_all.resolved()):
        request, kept, tracked = begun_sweep(now, asked, "one")
        assert request.options == request_for_all.resolved().options
        assert (kept, tracked) == (asked, TRACKED)


@pytest.mark.parametrize(
    ("change", "words"),
    [
        (
            {"max_concurrent": 1},
            "begun with --max-concurrent 2 and keeps it; --max-con",
        ),
        ({"scheduler": "fifo"}, "begun with --scheduler halving and"),
        ({"search": "random"}, "begun with --search grid and"),
        ({"num_samples": 4, "search": "grid"}, "begun with no --num-samples and"),
    ],
)
def test_other_options_need_a_new_sweep(begun, asked, request_for_all, change, words):
    with pytest.raises(UserError, match=f"^--resume one: the sweep was {words}"):
        begun_sweep(replace(request_for_all, **change), asked, "one")


def test_its_trials_are_those_that_it_was_begun_with(begun, tmp_path, asked, request_for_all):
    assert planned_trials(begun, "x") == [{"seed": 1}, {"seed": 2}]
    keep_sweep(tmp_path / "named later", request_for_all.resolved(), asked, TRACKED)
    assert planned_trials(tmp_path / "named later", "x") is None


@pytest.mark.parametrize("trials", [3, "all", [1, 2], {"seed": 1}])
def test_trials_that_are_none_are_told(begun, trials):
    facts = json.loads((begun / "sweep.json").read_text())
    (begun / "sweep.json").write_text(json.dumps(facts | {"trials": trials}))
    with pytest.raises(UserError, match="must be a list of settings, or null"):
        planned_trials(begun, "x")


def _spoil(name, data):
    return lambda folder: (folder / name).write_bytes(data)


DAMAGE = {
    "no facts": (lambda folder: (folder / "sweep.json").unlink(), "there is no such sweep in"),
    "torn facts": (_spoil("sweep.json", b'{"space": "sh'), "sweep.json cannot be read"),
    "no text": (_spoil("sweep.json", b"\xff\xfe"), "sweep.json cannot be read"),
    "other facts": (_spoil("sweep.json", b'{"place": "short"}'), "was not written by this program"),
    "a list": (_spoil("sweep.json", b"[]"), "was not written by this program"),
    "no configuration": (lambda folder: (folder / "config.yaml").unlink(), "config.yaml: No such file"),
    "another configuration": (_spoil("config.yaml", b"seed: 3"), "was changed since the sweep was begun"),
    "before": (
        lambda folder: _change(folder, "format", None),
        "has no format number (it was written before",
    ),
    "newer": (lambda folder: _change(folder, "format", 9), "has format 9, written by profl-ray 0.1.0"),
}


def _change(folder, fact, value):
    facts = json.loads((folder / "sweep.json").read_text()) | {fact: value}
    (folder / "sweep.json").write_text(json.dumps({k: v for k, v in facts.items() if v is not None}))


@pytest.mark.parametrize("damage", DAMAGE)
def test_what_cannot_go_on_is_told_in_one_line(begun, asked, request_for_all, damage):
    spoil, words = DAMAGE[damage]
    spoil(begun)
    with pytest.raises(UserError) as caught:
        begun_sweep(request_for_all, asked, "one")
    message = str(caught.value)
    assert message.startswith("--resume one: ") and words in message and "\n" not in message
