"""What a sweep shows while it runs: every few seconds one bar for the whole, one line per running trial.

Plain lines, not a redrawn screen: inside `ray job submit` the output is a log that travels.
"""

import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

from ray.exceptions import RayActorError
from ray.tune import Callback
from ray.tune.experiment import Trial

from profl_ray.cluster.demand import trial_shortage
from profl_ray.cluster.waiting import Waiting
from profl_ray.errors import UserError
from profl_ray.tuning.fitting import reason
from profl_ray.tuning.space import decode, trial_name
from profl_ray.tuning.trial import ACCURACY, METRIC, SPENT_ROUNDS, TIME
from profl_ray.tuning.trial_notes import UNRANKED, Outcome, TrialEnd

INTERVAL_SECONDS = 5.0
BAR_WIDTH = 30


@dataclass
class _Seen:
    name: str
    state: str = "starting"
    share: float = 0.0
    last: dict[str, Any] | None = None


class SweepView(Callback):
    """Follows the trials and prints through `say`."""

    def __init__(
        self,
        num_trials: int,
        say: Callable[[str], None],
        settle: Callable[[str], bool] = lambda trial_id: True,
        note_end: Callable[[str, TrialEnd, bool], None] = lambda trial_id, end, is_told: None,
        num_ended: int = 0,
        shortage: Callable[[], str] = trial_shortage,
    ) -> None:
        """`settle` is told the id of each trial that waited and does not continue; it returns False in vain.

        note_end: told how each trial ended, and whether its run tells it, too. num_ended: trials that had
        before the sweep was resumed. shortage: returns what trials wait for, in a line, or nothing.
        """
        self.num_trials = num_trials
        self.say = say
        self.settle = settle
        self.note_end = note_end
        self.num_ended = num_ended
        self.waiting = Waiting(say, shortage)
        self.seen: dict[str, _Seen] = {}
        self.started = self.printed = time.monotonic()
        _latest[:] = [self]

    def __reduce__(self) -> tuple[Callable[[], "SweepView"], tuple[()]]:
        """Tune keeps its callbacks with the sweep; a resumed one shows itself through the view of the day."""
        return _latest_view, ()

    def on_trial_start(self, iteration: int, trials: list[Any], trial: Any, **info: Any) -> None:
        """Note a trial that begins."""
        self._of(trial).state = "running"

    def on_trial_result(
        self, iteration: int, trials: list[Any], trial: Any, result: dict[str, Any], **info: Any
    ) -> None:
        """Note a round."""
        seen = self._of(trial)
        seen.state = "running"
        seen.last = result
        seen.share = result.get("share_done", 0.0)
        for other in trials:
            if other.status == Trial.PAUSED:
                self._of(other).state = "waiting"
        if time.monotonic() - self.printed >= INTERVAL_SECONDS:
            self._print()

    def on_step_end(self, iteration: int, trials: list[Any], **info: Any) -> None:
        """Say what trials wait for while none of them can begin."""
        if any(trial.status == Trial.RUNNING for trial in trials):
            self.waiting.reset()
        else:
            self.waiting.look()

    def on_trial_complete(self, iteration: int, trials: list[Any], trial: Any, **info: Any) -> None:
        """Print the end of a trial."""
        if trial.status == Trial.PAUSED:
            self.settle(trial.trial_id)
        seen = self._of(trial)
        seen.state, seen.share = "done", 1.0
        last = seen.last or {}
        end = trial_end(last)
        self.note_end(trial.trial_id, end, True)
        if end.outcome == "n/a":
            self.say(f"  n/a   {seen.name}: {end.reason}")
        elif end.outcome == "failed":
            self.say(f"  FAILED {seen.name}: {end.reason}")
        elif last.get("test_accuracy") is not None:
            word = "done  " if last.get("share_done", 1.0) >= 1.0 else "stopped "
            self.say(
                f"  {word}{seen.name}: accuracy {last['test_accuracy']:.4f} after {last['round']} rounds"
            )
        else:
            self.say(f"  done  {seen.name}")

    def on_trial_recover(self, iteration: int, trials: list[Any], trial: Any, **info: Any) -> None:
        """Print that a trial failed or lost its process, as with its node, and is tried again."""
        seen = self._of(trial)
        seen.state = "starting"
        self.say(f"  lost  {seen.name}: {failure_of(trial)}; it resumes from its last round")

    def on_trial_error(self, iteration: int, trials: list[Any], trial: Any, **info: Any) -> None:
        """Print the failure of a trial, for good."""
        seen = self._of(trial)
        seen.state, seen.share = "failed", 1.0
        why = failure_of(trial)
        end = trial_end((seen.last or {}) | {"failure": why, "final": False})
        self.note_end(trial.trial_id, end, False)
        self.say(f"  FAILED {seen.name}: {why} (see {trial.path})")

    def on_experiment_end(self, trials: list[Any], **info: Any) -> None:
        """Leave no run that seems to wait: an interrupted sweep's trials continue when it is resumed."""
        for trial in trials:
            whole = (self._of(trial).last or {}).get("share_done", 0.0) >= 1.0
            if not whole and not self.settle(trial.trial_id):
                return  # The store does not answer.

    def _of(self, trial: Any) -> _Seen:
        return self.seen.setdefault(trial.trial_id, _Seen(trial_name(decode(trial.config))))

    def _print(self) -> None:
        self.printed = time.monotonic()
        share = self.num_ended + sum(seen.share for seen in self.seen.values())
        share /= max(self.num_trials, len(self.seen), 1)
        filled = round(BAR_WIDTH * share)
        ended = self.num_ended + sum(seen.state in ("done", "failed") for seen in self.seen.values())
        elapsed = int(self.printed - self.started)
        self.say(
            f"[{'#' * filled}{'.' * (BAR_WIDTH - filled)}] {100 * share:3.0f} %  "
            f"{ended} of {self.num_trials} trials ended  {elapsed // 60}:{elapsed % 60:02d}"
        )
        for seen in self.seen.values():
            if seen.state == "running" and seen.last and seen.last.get("step"):
                self.say(f"    {seen.name:<28} {_round_words(seen.last)}")


def trial_end(last: Mapping[str, Any]) -> TrialEnd:
    """Return how a trial ended, from the last that it reported."""
    outcome: Outcome = "finished" if last.get("share_done", 1.0) >= 1.0 else "stopped"
    for name, word in _UNTRAINED.items():
        if last.get(name):
            outcome = word
    return TrialEnd(
        outcome=outcome,
        reason=str(last.get("refusal") or last.get("failure") or ""),
        final=bool(last.get("final", True)),
        accuracy=last.get(ACCURACY),
        score=last.get(METRIC) if last.get(METRIC, UNRANKED) > UNRANKED else None,
        units_grown=int(last.get(TIME, 0)),
        rounds=int(last.get(SPENT_ROUNDS, 0)),
        rounds_trained=int(last.get("rounds_trained", 0)),
    )


def failure_of(trial: Any) -> str:
    """Return in one line why Tune's trial failed the last time."""
    try:
        error = trial.get_pickled_error()
    except Exception as problem:
        # Whatever any library's error trips over as it is unpickled: the trial failed all the same.
        return f"it failed ({type(problem).__name__} while its error was read)"
    if error is None:
        return "its process failed or was lost"
    if isinstance(error, RayActorError):
        return f"its process was lost ({reason(error)})"
    cause = getattr(error, "cause", None) or error
    return str(cause).splitlines()[0][:300] if isinstance(cause, UserError) else reason(cause)


_UNTRAINED: dict[str, Outcome] = {"refusal": "n/a", "failure": "failed"}
_latest: list[SweepView] = []


def _latest_view() -> SweepView:
    return _latest[0] if _latest else SweepView(1, lambda _: None)


def _round_words(result: dict[str, Any]) -> str:
    accuracy = result.get("test_accuracy")
    words = f"{result['step']:<9} round {result['round']:>4}"
    if accuracy is not None:
        words += f"  accuracy {accuracy:.4f}"
    return words + f"  need {result['need_mib']:.2f} MiB"
