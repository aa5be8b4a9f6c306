"""What a sweep shows while it runs: every few seconds one bar for the whole, one line per running trial.

Plain lines, not a redrawn screen: inside `ray job submit` the output is a log that travels.
"""

import time
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

from ray.tune import Callback
from ray.tune.experiment import Trial

from profl_ray.tuning.space import decode, trial_name

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
    ) -> None:
        """`settle` is told the id of each trial that waited and does not go on; it returns False in vain."""
        self.num_trials = num_trials
        self.say = say
        self.settle = settle
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

    def on_trial_complete(self, iteration: int, trials: list[Any], trial: Any, **info: Any) -> None:
        """Print the end of a trial."""
        if trial.status == Trial.PAUSED:
            self.settle(trial.trial_id)
        seen = self._of(trial)
        seen.state, seen.share = "done", 1.0
        last = seen.last or {}
        if last.get("refusal"):
            self.say(f"  n/a   {seen.name}: {last['refusal']}")
        elif last.get("failure"):
            self.say(f"  FAILED {seen.name}: {last['failure']}")
        elif last.get("test_accuracy") is not None:
            word = "done  " if last.get("share_done", 1.0) >= 1.0 else "stopped "
            self.say(
                f"  {word}{seen.name}: accuracy {last['test_accuracy']:.4f} after {last['round']} rounds"
            )
        else:
            self.say(f"  done  {seen.name}")

    def on_trial_recover(self, iteration: int, trials: list[Any], trial: Any, **info: Any) -> None:
        """Print that a trial's process was lost, as with its node."""
        seen = self._of(trial)
        seen.state = "starting"
        self.say(f"  lost  {seen.name}: its process failed or is gone; it goes on from its last round")

    def on_trial_error(self, iteration: int, trials: list[Any], trial: Any, **info: Any) -> None:
        """Print the failure of a trial."""
        seen = self._of(trial)
        seen.state, seen.share = "failed", 1.0
        self.say(f"  FAILED {seen.name} (see {trial.path})")

    def on_experiment_end(self, trials: list[Any], **info: Any) -> None:
        """Leave no run that seems to wait: an interrupted sweep's trials go on when it is resumed."""
        for trial in trials:
            whole = (self._of(trial).last or {}).get("share_done", 0.0) >= 1.0
            if not whole and not self.settle(trial.trial_id):
                return  # The store does not answer.

    def _of(self, trial: Any) -> _Seen:
        return self.seen.setdefault(trial.trial_id, _Seen(trial_name(decode(trial.config))))

    def _print(self) -> None:
        self.printed = time.monotonic()
        share = sum(seen.share for seen in self.seen.values()) / max(self.num_trials, len(self.seen), 1)
        filled = round(BAR_WIDTH * share)
        ended = sum(seen.state in ("done", "failed") for seen in self.seen.values())
        elapsed = int(self.printed - self.started)
        self.say(
            f"[{'#' * filled}{'.' * (BAR_WIDTH - filled)}] {100 * share:3.0f} %  "
            f"{ended} of {self.num_trials} trials ended  {elapsed // 60}:{elapsed % 60:02d}"
        )
        for seen in self.seen.values():
            if seen.state == "running" and seen.last and seen.last.get("step"):
                self.say(f"    {seen.name:<28} {_round_words(seen.last)}")


_latest: list[SweepView] = []


def _latest_view() -> SweepView:
    return _latest[0] if _latest else SweepView(1, lambda _: None)


def _round_words(result: dict[str, Any]) -> str:
    accuracy = result.get("test_accuracy")
    words = f"{result['step']:<9} round {result['round']:>4}"
    if accuracy is not None:
        words += f"  accuracy {accuracy:.4f}"
    return words + f"  need {result['need_mib']:.2f} MiB"
