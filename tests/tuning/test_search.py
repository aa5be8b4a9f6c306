from pathlib import Path
from types import SimpleNamespace

import pytest

from profl_ray.errors import UserError
from profl_ray.server.ranking import Ranking
from profl_ray.tuning import Choice, Range
from profl_ray.tuning.generators import PlannedTrials
from profl_ray.tuning.halving import StepHalving
from profl_ray.tuning.plan import param_space, planned_settings
from profl_ray.tuning.search import make_scheduler, search_algorithm
from profl_ray.tuning.space import decode
from profl_ray.tuning.trial_notes import UNRANKED, TrialEnd, TrialNotes

from .kit import record, space

MIXED = {"model.partition": Choice.of([2, 2], [1, 3]), "freezing.phi": Range(0.1, 10.0, log=True)}


def test_a_grid_has_every_value_as_text():
    made = param_space(space("x", {"model.partition": Choice.of([2, 2], 4)}), "grid")
    assert made == {"model.partition": {"grid_search": ["[2, 2]", "4"]}}
    with pytest.raises(UserError, match="is a range"):
        param_space(space("x", MIXED), "grid")


@pytest.mark.parametrize("search", ["random", "optuna"])
def test_a_search_draws_from_the_domains(search):
    from ray.tune.search.sample import Categorical, Float

    made = param_space(space("x", MIXED), search)
    partition, phi = made["model.partition"], made["freezing.phi"]
    assert isinstance(partition, Categorical) and partition.categories == ["[2, 2]", "[1, 3]"]
    assert isinstance(phi, Float) and (phi.lower, phi.upper) == (0.1, 10.0)


WHOLE = {"training.local_epochs": Range(1, 3), "freezing.rounds": Range(1.0, 3.0, log=True)}


def test_a_range_over_whole_numbers_draws_those_and_both_ends(tmp_path):
    drawn = planned_settings(space("x", WHOLE), "random", 60, seed=1)
    for key in WHOLE:
        assert {settings[key] for settings in drawn} == {1, 2, 3}
        assert all(type(settings[key]) is int for settings in drawn)
    search = search_algorithm(space("x", WHOLE), None, TrialNotes(tmp_path), 1, 40)
    suggested = [search.searcher.suggest(str(number)) for number in range(40)]
    for key in WHOLE:
        assert {settings[key] for settings in suggested} == {1, 2, 3}


def test_the_plan_is_what_tunes_own_generator_would_draw(monkeypatch):
    """Sweeps of one seed stay comparable."""
    from ray.tune.search import basic_variant

    made = space("x", MIXED)
    spec = {"run": "anything", "config": param_space(made, "random"), "num_samples": 5}
    monkeypatch.setattr("ray.tune.experiment._convert_to_experiment_list", list)
    monkeypatch.setattr(
        basic_variant,
        "_create_trial_from_spec",
        lambda spec, parser, trial_id, **_: SimpleNamespace(config=spec["config"], trial_id=trial_id),
    )
    tunes = basic_variant.BasicVariantGenerator(random_state=7)
    tunes.add_configurations([SimpleNamespace(spec=spec)])
    drawn = [decode(tunes.next_trial().config) for _ in range(5)]
    assert planned_settings(made, "random", 5, seed=7) == drawn
    assert planned_settings(made, "random", 5, seed=8) != drawn
    assert len(planned_settings(made, "random", 2, seed=2**40)) == 2, "a seed beyond those of NumPy"
    assert planned_settings(made, "optuna", 5, seed=7) is None
    grid = space("x", {"seed": Choice.of(1, 2), "model.partition": Choice.of([2, 2], 4)})
    assert sorted(map(str, planned_settings(grid, "grid", None, seed=7))) == sorted(map(str, grid.grid()))


RATES = {"training.learning_rate": Range(0.01, 0.1), "model.partition": Choice.of([2, 2], "units")}


def named(search, count):
    """Return what a search names, without Tune's trials around it."""
    return [search.searcher.suggest(str(100 + number)) for number in range(count)]


def test_optuna_resumes_with_what_was_begun_and_names_others_after_it(tmp_path):
    notes = TrialNotes(tmp_path)
    first = search_algorithm(space("x", RATES), None, notes, 1, 6)
    for number, settings in enumerate(map(decode, named(first, 3))):
        notes.note_begin(f"{number:05d}", settings)
    notes.note_end("00000", TrialEnd(outcome="finished", accuracy=0.5, score=0.5))
    notes.note_end("00001", TrialEnd(outcome="failed", final=False))
    again = search_algorithm(space("x", RATES), None, notes, 1, 6)
    begun = notes.read().settings
    assert again.left == {number: begun[number] for number in ("00001", "00002")}
    assert again.total_samples == 5 and not again.is_finished()
    study = again.searcher._ot_study
    assert [trial.value for trial in study.trials] == [0.5, None, None]
    assert decode(study.trials[0].params) == begun["00000"]
    others = list(map(decode, named(again, 3)))
    assert not [settings for settings in others if settings in begun.values()], "no setting twice"


def test_a_planned_trial_that_ended_for_good_is_not_begun_again(tmp_path):
    notes = TrialNotes(tmp_path)
    notes.note_end("00000", TrialEnd(outcome="n/a"))
    notes.note_end("00001", TrialEnd(outcome="failed", final=False))
    trials = {f"{number:05d}": {"seed": number} for number in range(3)}
    search = search_algorithm(space("x", {"seed": Choice.of(0, 1, 2)}), trials, notes, 1, 3, 2)
    assert list(search.left) == ["00001", "00002"] and search.total_samples == 2


def test_the_scheduler_is_chosen_by_name():
    from ray.tune.schedulers import FIFOScheduler

    trials = {str(number): {"training.learning_rate": 0.1} for number in range(16)}
    spaces = space("x", {"training.learning_rate": Range(0.01, 0.1)})

    def made(name, trials=trials):
        search = search_algorithm(spaces, trials, TrialNotes(Path("none")), 1, 16, 2)
        return make_scheduler(name, Path("trials"), search, 2)

    assert type(made("fifo")) is FIFOScheduler
    halving = made("halving")
    assert type(halving) is StepHalving
    assert (halving.num_trials, halving.max_concurrent) == (16, 2)
    # Optuna waits for results before it names more trials: a rung cannot wait for all of them.
    assert made("halving", None).num_trials is None


def test_the_number_of_trials_at_the_same_time_is_kept_by_a_grid_too():
    """Tune's own option is ignored beside this algorithm."""
    assert PlannedTrials({}, 2).max_concurrent == 2
    assert PlannedTrials({}).max_concurrent == 0


@pytest.mark.parametrize(
    ("ranked_by", "expected"),
    [
        ("final_accuracy", [None, None, None, 0.4, 0.4, 0.6]),
        ("-test_loss", [None, None, None, -0.6, -0.6, -0.4]),
        ("density", [None, None, None, 0.2, 0.2, None]),
        ("rounds", [None, None, None, 4.0, 4.0, 6.0]),
    ],
)
def test_the_score_is_that_of_the_last_step_that_compares(ranked_by, expected):
    from profl_ray.tuning.trial import ProFLTrial

    trial = ProFLTrial.__new__(ProFLTrial)
    trial.score, trial.accuracy, trial.ranking = UNRANKED, None, Ranking(ranked_by)
    records, seen = [], []
    rounds = [
        ("shrink", True, 0, 0.9),  # another sub-model
        ("map", True, 0, None),
        ("grow", False, 0, 0.3),
        ("grow", True, 2, 0.4),
        ("grow", False, 2, 0.2),
        ("grow", True, 4, 0.6),
    ]
    for stage, ended, grown, accuracy in rounds:
        values = {"stage": stage, "step_ended": ended, "units_grown": grown, "test_accuracy": accuracy}
        figures = {} if grown == 4 else {"density": 0.2}
        loss = None if accuracy is None else 1 - accuracy
        records.append(record(**values, test_loss=loss, figures=figures))
        trial._note(records)
        seen.append(None if trial.score == UNRANKED else trial.score)
    assert seen == expected
    assert trial.accuracy == 0.6
