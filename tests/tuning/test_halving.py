"""Step-aware halving, played by a controller that has no processes."""

from dataclasses import dataclass, field

import pytest
from hypothesis import given
from hypothesis import strategies as st
from ray.tune.experiment import Trial

from profl_ray.server.run_folder import RunFolder
from profl_ray.tuning.generators import PlannedTrials
from profl_ray.tuning.halving import StepHalving

from .kit import record


@dataclass
class FakeTrial:
    trial_id: str
    ends: list
    """What it reports at the end of each growing step: accuracy, or accuracy, rounds and bytes."""
    sub_models: str = "[1, 1]"
    status: str = Trial.PENDING
    steps: int = 0
    last_result: dict = field(default_factory=dict)

    def set_status(self, status):
        self.status = status

    def is_finished(self):
        return self.status in (Trial.TERMINATED, Trial.ERROR)

    def result(self):
        accuracy, rounds, spent = (*self.ends[self.steps - 1], 10, 100)[:3] if self.steps else (0.0, 0, 0)
        known = {"units_grown": self.steps, "score": accuracy, "sub_models": self.sub_models}
        return known | {"round": rounds, "spent_bytes": spent}


@dataclass
class FakeController:
    """Plays trials as Tune does: new ones while there is a place, then whom the scheduler chooses."""

    trials: list
    scheduler: StepHalving
    max_concurrent: int = 2
    made: list = field(default_factory=list)
    places: set = field(default_factory=set)
    most_running: int = 0

    def __post_init__(self):
        self.scheduler.give_place = self.places.discard

    def get_trials(self):
        return self.made

    def stop_trial(self, trial):
        trial.status = Trial.TERMINATED
        self.places.discard(trial.trial_id)

    def play(self):
        for _ in range(1000):
            while self.trials and len(self.places) < self.max_concurrent:
                self.made.append(self.trials.pop(0))
                self.places.add(self.made[-1].trial_id)
            while (chosen := self.scheduler.choose_trial_to_run(self)) is not None:
                chosen.status = Trial.RUNNING
            running = [trial for trial in self.made if trial.status == Trial.RUNNING]
            self.most_running = max(self.most_running, len(running))
            if not running and all(trial.is_finished() for trial in self.made) and not self.trials:
                return self
            for trial in running[:1]:
                trial.steps += 1
                if trial.steps == len(trial.ends):
                    self.stop_trial(trial)
                    continue
                verdict = self.scheduler.on_trial_result(self, trial, trial.result())
                if verdict == "PAUSE":
                    trial.status = Trial.PAUSED
                elif verdict == "STOP":
                    self.stop_trial(trial)
        raise AssertionError("no trial continues, and not all have ended")


def play(tmp_path, *trials, max_concurrent=2):
    scheduler = StepHalving(tmp_path, num_trials=len(trials), max_concurrent=max_concurrent)
    made = [FakeTrial(str(index), *trial) for index, trial in enumerate(trials)]
    return FakeController(list(made), scheduler, max_concurrent).play().made


def ends(*accuracies):
    return ([(accuracy,) for accuracy in accuracies],)


def test_half_pass_then_a_third_then_a_quarter_whoever_comes_first(tmp_path):
    made = play(tmp_path, *(ends(*[0.05 * index] * 3, 0.9) for index in range(12)))
    assert [trial.steps for trial in made] == [1] * 6 + [2] * 4 + [3, 4]


def test_a_trial_is_compared_with_those_that_are_cut_alike(tmp_path):
    poor = [(*ends(0.1, 0.2), "[2]")]
    made = play(tmp_path, *(ends(0.5 + index / 10, 0.9) for index in range(4)), *poor)
    assert [trial.steps for trial in made] == [1, 1, 2, 2, 2]


def test_accuracy_first_then_rounds_then_bytes(tmp_path):
    trials = [([(0.6, *spent), (0.9,)],) for spent in [(10, 100), (11, 90), (10, 99), (10, 101)]]
    assert [trial.steps for trial in play(tmp_path, *trials)] == [2, 1, 2, 1]


def test_settings_that_have_not_mattered_yet_all_stay(tmp_path):
    made = play(tmp_path, *(ends(0.5, 0.1 * index, 0.9) for index in range(3)))
    assert [trial.steps for trial in made] == [2, 2, 3]


@pytest.mark.parametrize("max_concurrent", [1, 3])
def test_no_more_run_at_the_same_time_than_allowed(tmp_path, max_concurrent):
    scheduler = StepHalving(tmp_path, num_trials=9, max_concurrent=max_concurrent)
    made = [FakeTrial(str(index), *ends(0.1 * index, 0.5, 0.7)) for index in range(9)]
    assert FakeController(made, scheduler, max_concurrent).play().most_running == max_concurrent


@given(
    st.lists(
        st.tuples(st.lists(st.integers(0, 5), min_size=1, max_size=4), st.sampled_from("ab")), min_size=1
    ),
    st.integers(1, 5),
)
def test_every_rung_keeps_its_share_and_the_sweep_ends(tmp_path_factory, trials, max_concurrent):
    given_trials = [([(float(value),) for value in accuracies], cut) for accuracies, cut in trials]
    made = play(tmp_path_factory.mktemp("trials"), *given_trials, max_concurrent=max_concurrent)
    for cut in "ab":
        for units in range(1, 5):
            came = [
                trial for trial in made if trial.sub_models == cut and len(trial.ends) > units <= trial.steps
            ]
            passed = sorted((t.ends[units - 1] for t in came if t.steps > units), reverse=True)
            num_kept = -(-len(came) // (units + 1))
            assert len(passed) >= min(num_kept, len(came))
            assert all(end >= passed[num_kept - 1] for end in passed)
            beaten = [trial.ends[units - 1] for trial in came if trial.steps == units]
            assert all(end < passed[-1] for end in beaten)


def test_a_trial_that_waits_leaves_its_place_to_the_next():
    search = PlannedTrials({"0": {}, "1": {}}, max_concurrent=1)
    search._live_trials.add("waits")
    assert not search.is_finished() and search.next_trial() is None
    search.give_place("waits")
    assert not search._live_trials


def test_a_restored_trial_that_waits_at_no_rung_goes_on(tmp_path):
    trial = FakeTrial("0", [(0.1,), (0.2,)], status=Trial.PAUSED)
    scheduler = StepHalving(tmp_path, num_trials=2)
    assert scheduler.choose_trial_to_run(FakeController([], scheduler, made=[trial])) is trial


def run_folder(tmp_path, *rounds):
    """Write the records of trial 0: of each round the units grown, and whether it ended a growing step."""
    (tmp_path / "0").mkdir()
    for number, (units, ended) in enumerate(rounds, 1):
        values = {"round": number, "step_ended": ended, "units_grown": units, "test_accuracy": 0.5}
        RunFolder(tmp_path / "0").append(record(**values))


def test_a_restored_trial_that_is_beyond_a_rung_has_passed_it(tmp_path):
    run_folder(tmp_path, (1, True), (1, False))
    scheduler = StepHalving(tmp_path, num_trials=2)
    trial, other = FakeTrial("0", *ends(0.5, 0.9), status=Trial.RUNNING, steps=1), FakeTrial("1", *ends(0.1))
    controller = FakeController([], scheduler, made=[trial, other])
    scheduler.choose_trial_to_run(controller)
    assert scheduler.on_trial_result(controller, trial, trial.result()) == "CONTINUE"


def test_what_trials_reached_before_a_resume_counts(tmp_path):
    run_folder(tmp_path, (1, True))
    with (tmp_path / "0" / "records.jsonl").open("a") as file:
        file.write('{"torn')
    scheduler = StepHalving(tmp_path, num_trials=1)
    worse = FakeTrial("1", *ends(0.4, 0.9))
    # The same cut: a run folder without a run.json notes none.
    worse.sub_models = ""
    assert FakeController([worse], scheduler, 1).play().made[0].steps == 1


def test_only_a_resumed_sweep_lets_a_pending_trial_wait(tmp_path, monkeypatch):
    """Tune adds a trial again that failed and is tried once more."""
    monkeypatch.setattr("profl_ray.tuning.halving._waits", lambda run: True)
    scheduler, trial = StepHalving(tmp_path, num_trials=1), FakeTrial("0", *ends(0.5, 0.9))
    scheduler.on_trial_add(None, trial)
    assert trial.status == Trial.PAUSED
    scheduler.choose_trial_to_run(FakeController([], scheduler, made=[trial]))
    trial.status = Trial.PENDING
    scheduler.on_trial_add(None, trial)
    assert trial.status == Trial.PENDING


def test_an_unknown_number_of_trials_is_judged_as_they_come(tmp_path):
    """One after another: each is compared with those that have been there."""
    scheduler = StepHalving(tmp_path, max_concurrent=1)
    made = [
        FakeTrial(str(index), *ends(accuracy, 0.9, 0.9)) for index, accuracy in enumerate((0.9, 0.2, 0.1))
    ]
    assert [trial.steps for trial in FakeController(made, scheduler, 1).play().made] == [3, 1, 1]


@pytest.mark.parametrize("how", ["its process is lost", "no device learnt", "before the sweep was resumed"])
def test_a_trial_that_failed_beats_no_trial(tmp_path, how):
    before = {"0"} if how == "before the sweep was resumed" else ()
    scheduler = StepHalving(tmp_path, num_trials=2, max_concurrent=1, failed=before)
    made = [FakeTrial("0", *ends(0.9, 0.9)), FakeTrial("1", *ends(0.8, 0.8))]
    controller = FakeController([], scheduler, 1, made=made)
    for trial in made:
        trial.status, trial.steps = Trial.RUNNING, 1
        assert scheduler.on_trial_result(controller, trial, trial.result()) == "PAUSE"
        trial.status = Trial.PAUSED
    if how == "no device learnt":
        made[0].status, made[0].last_result = Trial.TERMINATED, {"failure": "step 'grow 2' ended ..."}
    elif how == "its process is lost":
        made[0].status = Trial.ERROR
    else:  # Tune does not get it again.
        controller.made, scheduler.num_trials = made[1:], 1
    assert scheduler.choose_trial_to_run(controller) is made[1]
