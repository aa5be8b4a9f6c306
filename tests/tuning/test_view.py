import pickle
from types import SimpleNamespace

import pytest
from ray.exceptions import ActorDiedError, RayTaskError

from profl_ray.errors import UserError
from profl_ray.tuning.trial_notes import TrialEnd
from profl_ray.tuning.view import INTERVAL_SECONDS, SweepView, failure_of


@pytest.fixture
def watched(monkeypatch):
    """A view, the lines it said and a clock to turn."""
    clock = SimpleNamespace(now=1000.0)
    monkeypatch.setattr("profl_ray.tuning.view.time", SimpleNamespace(monotonic=lambda: clock.now))
    lines = []
    return SweepView(2, lines.append), lines, clock


def trial(number, error=None):
    return SimpleNamespace(
        trial_id=f"t{number}",
        config={"seed": number},
        path=f"/x/t{number}",
        status="RUNNING",
        get_pickled_error=lambda: error,
    )


def result(**changes):
    values = {"step": "grow 1", "share_done": 0.625, "round": 9, "need_mib": 1.5}
    return values | {"test_accuracy": 0.25} | changes


def test_progress_is_told_every_few_seconds_and_not_every_round(watched):
    view, lines, clock = watched
    view.on_trial_start(0, [], trial(1))
    for _ in range(3):
        view.on_trial_result(0, [], trial(1), result())
    assert lines == []
    clock.now += INTERVAL_SECONDS
    view.on_trial_result(0, [], trial(1), result())
    # Five eighths of one of two trials.
    assert lines[0].split("  ")[-2:] == ["0 of 2 trials ended", "0:05"] and " 31 %" in lines[0]
    assert lines[1].split() == [
        "seed=1",
        "grow",
        "1",
        "round",
        "9",
        "accuracy",
        "0.2500",
        "need",
        "1.50",
        "MiB",
    ]
    assert len(lines) == 2


def test_the_end_of_a_trial_is_told_at_once(watched):
    view, lines, _ = watched
    view.on_trial_result(0, [], trial(1), result(share_done=1.0))
    view.on_trial_complete(0, [], trial(1))
    view.on_trial_result(0, [], trial(2), {"refusal": "no device can train step 'full'", "round": 0})
    view.on_trial_complete(0, [], trial(2))
    view.on_trial_complete(0, [], trial(3))
    view.on_trial_error(0, [], trial(4, ValueError("one\ntwo")))
    view.on_trial_result(0, [], trial(5), result())
    view.on_trial_complete(0, [], trial(5))
    assert lines == [
        "  done  seed=1: accuracy 0.2500 after 9 rounds",
        "  n/a   seed=2: no device can train step 'full'",
        "  done  seed=3",
        "  FAILED seed=4: ValueError: one (see /x/t4)",
        "  stopped seed=5: accuracy 0.2500 after 9 rounds",
    ]


def test_a_trial_that_waits_is_not_shown_as_running(watched):
    view, lines, clock = watched
    waiting, running = trial(1), trial(2)
    view.on_trial_result(0, [waiting, running], waiting, result())
    waiting.status = "PAUSED"
    clock.now += INTERVAL_SECONDS
    view.on_trial_result(0, [waiting, running], running, result())
    assert [line.split()[0] for line in lines[1:]] == ["seed=2"]


def test_tune_gets_back_the_view_of_the_day(watched):
    view, _, _ = watched
    assert pickle.loads(pickle.dumps(view)) is view
    stored = pickle.dumps(view)
    newer = SweepView(3, print)
    assert pickle.loads(stored) is newer


def test_a_trial_that_lost_its_process_is_told_and_goes_on(watched):
    view, lines, _ = watched
    view.on_trial_result(0, [], trial(1), result(share_done=1.0))
    view.on_trial_recover(0, [], trial(1))
    assert lines == ["  lost  seed=1: its process failed or was lost; it resumes from its last round"]
    view.on_trial_complete(0, [], trial(1))
    assert lines[1].startswith("  done  seed=1")


def test_what_trials_wait_for_is_said_while_none_is_running(watched):
    _, lines, clock = watched
    view = SweepView(2, lines.append, shortage=lambda: "waiting for 2 CPU")
    view.waiting._clock = lambda: clock.now
    view.waiting.reset()
    running, waiting = trial(1), SimpleNamespace(status="PENDING")
    for trials in ([waiting], [running, waiting], [waiting]):
        view.on_step_end(0, trials)
        clock.now += 9.0
        view.on_step_end(0, trials)
    assert lines == [], "10 s without a running trial"
    clock.now += 2.0
    view.on_step_end(0, [waiting])
    assert lines == ["waiting for 2 CPU"]


def from_a_worker(error):
    """As Tune gets what a trial's method raised."""
    return RayTaskError("step", "Traceback ...", error)


WHY = [
    (from_a_worker(UserError("no such file")), "no such file"),
    (from_a_worker(RuntimeError("of this\nand that")), "RuntimeError: of this"),
    (ActorDiedError(), "its process was lost (ActorDiedError: "),
    (None, "its process failed or was lost"),
]


@pytest.mark.parametrize(("error", "why"), WHY)
def test_why_a_trial_failed_is_told_in_one_line(error, why):
    told = failure_of(trial(1, error))
    assert told.startswith(why) and "\n" not in told


def test_an_error_that_cannot_be_read_is_told():
    def spoilt():
        raise EOFError("ends early")

    assert "EOFError" in failure_of(SimpleNamespace(get_pickled_error=spoilt))


def test_every_end_is_noted(watched):
    ends = {}
    view = SweepView(4, lambda _: None, note_end=lambda *end: ends.update({end[0]: end[1:]}))
    view.on_trial_result(
        0, [], trial(1), result(share_done=1.0, units_grown=4, score=0.5, compared_accuracy=0.5)
    )
    view.on_trial_complete(0, [], trial(1))
    view.on_trial_result(0, [], trial(2), {"refusal": "too large", "round": 0})
    view.on_trial_complete(0, [], trial(2))
    view.on_trial_result(0, [], trial(3), {"failure": "no data", "final": False, "round": 0})
    view.on_trial_complete(0, [], trial(3))
    view.on_trial_result(0, [], trial(4), result(rounds_trained=7))
    view.on_trial_error(0, [], trial(4, ValueError("odd")))
    assert ends == {
        "t1": (TrialEnd(outcome="finished", accuracy=0.5, score=0.5, units_grown=4, rounds=9), True),
        "t2": (TrialEnd(outcome="n/a", reason="too large"), True),
        "t3": (TrialEnd(outcome="failed", reason="no data", final=False), True),
        "t4": (
            TrialEnd(outcome="failed", reason="ValueError: odd", final=False, rounds=9, rounds_trained=7),
            False,
        ),
    }


def test_a_resumed_sweep_counts_those_that_have_ended(watched):
    _, lines, clock = watched
    view = SweepView(4, lines.append, num_ended=2)
    clock.now += INTERVAL_SECONDS
    view.on_trial_result(0, [], trial(1), result(share_done=0.5))
    assert " 62 %" in lines[0] and "2 of 4 trials ended" in lines[0]
