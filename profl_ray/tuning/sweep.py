"""A sweep: one Tune experiment, one MLflow parent run, one folder that everything can be resumed from."""

import json
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from functools import partial
from pathlib import Path

from profl_ray.config import ExperimentConfig
from profl_ray.config.load import flatten
from profl_ray.errors import UserError
from profl_ray.names import new_name
from profl_ray.server.ranking import Ranking
from profl_ray.server.run_folder import RunFolder
from profl_ray.signals import Interrupted, held, interruptible, on_signal
from profl_ray.tracking import RunWriter, Status, end_waiting, prepare_store, resolve_uri, start_parent
from profl_ray.tuning.best import unranked_notice
from profl_ray.tuning.fitting import fit
from profl_ray.tuning.interrupt import tune_stops_on_signal
from profl_ray.tuning.outcome import SweepOutcome
from profl_ray.tuning.plan import planned_settings
from profl_ray.tuning.request import SweepRequest, base_config, check_resources, check_trainable
from profl_ray.tuning.resumed_tracking import refill_trials, resume_parent
from profl_ray.tuning.sweep_folder import TRIALS, Tracked, begun_sweep, keep_sweep, planned_trials
from profl_ray.tuning.sweep_trials import SweepTrials


def run_sweep(request: SweepRequest, say: Callable[[str], None]) -> SweepOutcome:
    """Run a new sweep on the Ray that this process is connected to."""
    config = base_config(request)
    request = request.resolved()
    assert request.search is not None, "the request is resolved"
    check_resources(request, config)
    check_trainable(request, config)
    trials = planned_settings(request.space, request.search, request.num_samples, config.seed, type(config))
    name = new_name(request.space.name)
    folder = config.storage.root / name
    with ExitStack() as stack, interruptible():
        with held():  # Until it is known which run is to be ended.
            tracked = _begin_parent(request, config, name)
            stack.enter_context(_ended_in_order(request, folder, tracked, say))
            keep_sweep(folder, request, config, tracked, trials)
        return _play(SweepTrials(folder, trials, request.num_trials), request, config, tracked, say)


def resume_sweep(request: SweepRequest, name: str, say: Callable[[str], None]) -> SweepOutcome:
    """Resume a sweep that was interrupted: trials that ended stay, the others are resumed or begin.

    Those that failed are tried again, unless they would fail again. Nothing is needed of what Tune left.
    """
    request, config, before = begun_sweep(request, base_config(request), name)
    check_resources(request, config)
    folder = config.storage.root / name
    trials = SweepTrials(folder, planned_trials(folder, f"--resume {name}"), request.num_trials)
    trials.notes.repair()
    with ExitStack() as stack, interruptible():
        with held():
            tracked = resume_parent(request, config, folder, before, say)
            stack.enter_context(_ended_in_order(request, folder, tracked, say))
        refill_trials(trials, config, request.space, tracked, say)
        if drawn_anew := trials.drawn_anew():
            say(f"the next {drawn_anew} settings are drawn again, with the results so far known")
        return _play(trials, request, config, tracked, say)


@contextmanager
def _ended_in_order(
    request: SweepRequest, folder: Path, tracked: Tracked, say: Callable[[str], None]
) -> Iterator[None]:
    """Mark the run of a sweep that a signal or an error ends, and say how to resume it."""
    try:
        yield
    except KeyboardInterrupt:
        with on_signal(lambda: None):  # That much patience is asked for, and no more.
            _end_parent(tracked, folder.name, "KILLED", say)
            _end_trials(tracked, folder / TRIALS)
        say(f"interrupted; resume with {_resuming(request.command, folder.name)}")
        raise
    except BaseException:
        with on_signal(lambda: None):
            _end_parent(tracked, folder.name, "FAILED", say)
            _end_trials(tracked, folder / TRIALS)
        raise


def _play(
    trials: SweepTrials,
    request: SweepRequest,
    config: ExperimentConfig,
    tracked: Tracked,
    say: Callable[[str], None],
) -> SweepOutcome:
    """Let Tune play the trials that have not ended, and say what came of all of them."""
    # Late: it brings Ray.
    from profl_ray.tuning.tuner import make_tuner

    name = trials.folder.name
    say(f"sweep {name}: {trials.num_trials} trials of {config.recipe}, {request.space.description}")
    if not trials.all_ended():
        with tune_stops_on_signal() as interruption:
            tuner = partial(make_tuner, trials, request, config, tracked, say)
            fit(tuner(), tuner, say, interruption)
        if interruption.requested:
            raise Interrupted
    missing = trials.num_trials - len(trials.noted().ends)
    if missing:
        raise UserError(
            f"Tune ended before {missing} of {trials.num_trials} trials had; resume with "
            f"{_resuming(request.command, name)}"
        )
    outcome = SweepOutcome.of(
        trials.settings(), trials.noted().ends, name, trials.folder, tracked, config.tracking.experiment
    )
    ranking = Ranking(config.evaluation.ranked_by)
    if notice := unranked_notice(ranking, trials.noted().ends, trials.folder / TRIALS):
        say(f"warning: no trial is the best: {notice}")
    best_tags = {"best." + key: json.dumps(value) for key, value in outcome.best_settings.items()}
    summary = {
        "final_accuracy": outcome.best_accuracy,
        "num_trials": outcome.num_trials,
        "num_failed": outcome.num_failed,
    }
    with held():
        _end_parent(tracked, name, "FAILED" if outcome.num_failed else "FINISHED", say, summary, best_tags)
    return outcome


def _end_trials(tracked: Tracked, folder: Path) -> None:
    """Mark the runs of trials whose processes end with Ray, before they could say so themselves."""
    if tracked.uri is None:
        return
    for path in folder.glob("*"):
        trial = RunFolder(path)
        if trial.exists and not end_waiting(
            tracked.uri, str(trial.facts().get("mlflow_run_id")), also_running=True
        ):
            return  # The store does not answer.


def _resuming(command: str, name: str) -> str:
    """Return the command that resumes a sweep: its recipe and its storage must be named again."""
    option = f"--resume {name}"
    return command if option in command else f"{command} {option}".strip()


def _begin_parent(request: SweepRequest, config: ExperimentConfig, name: str) -> Tracked:
    """Create the sweep's run in MLflow, if it is tracked."""
    if not config.tracking.enabled:
        return Tracked()
    uri = resolve_uri(config)
    experiment_id = prepare_store(uri, config.tracking.experiment, config.storage.root)
    params = flatten(config)
    tags = {"profl_ray.space": request.space.name, "profl_ray.command": request.command}
    parent = start_parent(uri, experiment_id, name, params, tags, request.space.description)
    return Tracked(uri, experiment_id, parent)


def _end_parent(
    tracked: Tracked,
    name: str,
    status: Status,
    say: Callable[[str], None],
    summary: dict[str, float | None] | None = None,
    tags: dict[str, str] | None = None,
) -> None:
    """End the sweep's run; what was computed does not depend on whether MLflow is there."""
    if tracked.uri is None or tracked.parent_run_id is None:
        return
    try:
        writer = RunWriter.start(tracked.uri, "", name, {}, {}, run_id=tracked.parent_run_id)
    except UserError as error:
        say(f"warning: {error}; the sweep's run stays open there, --resume {name} ends it")
        return
    writer.log_summary(summary or {}, tags)
    if undelivered := writer.finish(status):
        say(f"warning: {undelivered}; --resume {name} delivers it when MLflow is back")
