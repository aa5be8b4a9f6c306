"""What a space may hold: told in one line, before anything is begun."""

import math
from dataclasses import replace

import pytest

from profl_ray.errors import UserError
from profl_ray.tuning import Choice, Range, SweepRequest
from profl_ray.tuning.domains import check_space, takes_whole_numbers
from profl_ray.tuning.request import base_config, trial_configs

from .kit import space

SOUND = {
    "training.local_epochs": Range(1, 5),
    "freezing.max_shrink_rounds": Range(1.0, 9.0, log=True),
    "training.weight_decay": Range(0.0, 0.1),
    "training.max_gradient_norm": Choice.of(None, 1.0),
    "model.partition": Choice.of([2, 2], [3, 3], "units", 4),
    "strategy.profl.shrinking": Choice.of(True, False),
    "seed": Range(0, 2**40),
}
WRONG = [
    ("training.local_epochs", Range(0.5, 5), "both ends must be whole"),
    ("training.local_epochs", Range(0, 5), r"training\.local_epochs=0: must be an integer greater than 0"),
    ("training.local_epochs", Range(1, 1e8), "=100000000: must be an integer greater than 0 and at most 100"),
    ("training.local_epochs", Choice.of(1, 0), r"training\.local_epochs=0: must be an integer"),
    ("training.local_epochs", Choice.of(2.5), r"training\.local_epochs=2\.5: must be an integer"),
    ("training.local_epochs", Choice.of(True), r"training\.local_epochs=true: must be an integer"),
    ("training.local_epochs", Choice(()), "is an empty choice"),
    (
        "training.weight_decay",
        Range(0.0, 0.1, log=True),
        r"Range\(0\.0, 0\.1, log=True\): low must be above 0",
    ),
    ("training.weight_decay", Range(-0.1, 0.1, log=True), "low must be above 0"),
    ("training.weight_decay", Range(-1, 1), r"training\.weight_decay=-1: must be a number at least 0"),
    ("training.momentum", Range(0, 1), r"training\.momentum=1: must be a number at least 0 and below 1"),
    ("training.learning_rate", Range(0.1, 0.1), "low must be below high"),
    ("training.learning_rate", Range(math.nan, 1), "must be finite"),
    ("training.learning_rate", Range(0.1, math.inf), "must be finite"),
    ("training.learning_rate", Range("a", 1), "both ends must be numbers"),
    ("training.learning_rate", Choice.of(math.nan), r"training\.learning_rate=NaN: must be a number greater"),
    ("model.name", Range(1, 2), "the key takes no numbers"),
    ("freezing.name", Choice.of("slope"), r"freezing\.name=slope: must be one of effective_movement"),
    ("seed", Range(0, 2**64), "high must be at most"),
    ("training.local_epoch", Range(1, 2), r"unknown key 'training\.local_epoch'.*did you mean"),
    ("training", Choice.of(1), "training is a section"),
]


def test_whole_numbers_are_known_from_the_configuration():
    whole = ("training.local_epochs", "model.partition", "seed", "freezing.max_shrink_rounds")
    assert all(map(takes_whole_numbers, whole))
    others = ("training.learning_rate", "training.max_gradient_norm", "model.name")
    assert not any(map(takes_whole_numbers, others))


@pytest.mark.parametrize("key", SOUND)
def test_a_sound_parameter_is_taken(key):
    check_space(space("x", {key: SOUND[key]}))


@pytest.mark.parametrize(("key", "domain", "words"), WRONG)
def test_what_a_key_can_never_take_is_told_before_anything_starts(tmp_path, key, domain, words):
    made = space(tmp_path, {"training.batch_size": Choice.of(8), key: domain}, search="random")
    with pytest.raises(UserError, match=rf"^space 'short': .*{words}") as caught:
        base_config(SweepRequest(made))
    assert "\n" not in str(caught.value)
    assert not list(tmp_path.iterdir())


BUNDLE = {"fast": {"training.local_epochs": 1}, "slow": {"training.local_epochs": 5}}


@pytest.mark.parametrize(
    ("domain", "bundle", "words"),
    [
        (
            Choice.of("fast"),
            {"fast": {"training.local_epochs": 0}},
            r"way=fast: training\.local_epochs=0: must",
        ),
        (Choice.of("fast"), {"fast": {"epochs": 0}}, "way=fast: unknown key 'epochs'"),
        (Choice.of("fast", "best"), BUNDLE, "way=best: must be one of fast, slow"),
        (Choice(()), BUNDLE, "way is an empty choice"),
        (Range(1, 2), BUNDLE, "way is a range, but its choices are names"),
    ],
)
def test_so_are_bundles(domain, bundle, words):
    check_space(space("x", {"way": Choice.of("fast", "slow")}, bundles={"way": BUNDLE}))
    with pytest.raises(UserError, match=f"^space 'short': {words}"):
        check_space(space("x", {"way": domain}, bundles={"way": bundle}))


PAIRS = {"freezing.min_rounds": Choice.of(1, 12), "freezing.max_rounds": Choice.of(8, 14)}


def test_a_grid_of_which_some_settings_do_not_go_together_is_swept(tmp_path):
    request = SweepRequest(space(tmp_path, PAIRS, "freezing.max_shrink_rounds=null"))
    config = base_config(request)
    pairs = [(c.freezing.min_rounds, c.freezing.max_rounds) for c in trial_configs(request, config)]
    assert pairs == [(1, 8), (1, 14), (12, 14)]
    partitions = {"model.partition": Choice.of([3, 3], [2, 2])}
    base_config(SweepRequest(space(tmp_path, partitions)))


def test_a_grid_of_which_none_goes_together_is_a_mistake(tmp_path):
    pairs = PAIRS | {"freezing.min_rounds": Choice.of(12), "freezing.max_rounds": Choice.of(8, 9)}
    with pytest.raises(UserError, match="min_rounds=12 is above max_rounds=8"):
        base_config(SweepRequest(space(tmp_path, pairs)))
    with pytest.raises(UserError, match="does not add up"):
        base_config(SweepRequest(space(tmp_path, {"model.partition": Choice.of([3, 3], [1])})))
    request = SweepRequest(replace(space(tmp_path, pairs), search="random"))
    base_config(request)  # Who knows what is drawn.


@pytest.mark.parametrize("domain", [[1, 2], 3, Choice(1), None])  # type: ignore[arg-type]
def test_what_is_no_domain_is_told(domain):
    with pytest.raises(UserError, match=r"seed is .* \(allowed: Choice.of\(...\), Range\(low, high\)\)"):
        check_space(space("x", {"seed": domain}))
