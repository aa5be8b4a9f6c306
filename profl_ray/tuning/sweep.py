"""A sweep: one Tune experiment, one MLflow parent run, one folder that everything can go on from."""

import json
import time
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path
from uuid import uuid4

from profl_ray.config import ExperimentConfig
from profl_ray.config.load import flatten
from profl_ray.errors import UserError
from profl_ray.server.run_folder import RunFolder
from profl_ray.signals import Interrupted, held, interruptible, on_signal
from profl_ray.tracking import (
    RunWriter,
    Status,
    end_waiting,
    prepare_store,
    resolve_uri,
    start_parent,
)
from profl_ray.tuning.fitting import fit
from profl_ray.tuning.interrupt import tune_stops_on_signal
from profl_ray.tuning.outcome import SweepOutcome
from profl_ray.tuning.request import SweepRequest, base_config, check_resources, check_trainable
from profl_ray.tuning.space import decode
from profl_ray.tuning.sweep_folder import TRIALS, Tracked, begun_sweep, keep_sweep

MAX_TRIAL_FAILURES = 3


def run_sweep(request: SweepRequest, say: Callable[[str], None]) -> SweepOutcome:
    """Run a new sweep on the Ray that this process is connected to."""
    config = base_config(request)
    request = request.resolved()
    check_resources(request, config)
    check_trainable(request, config)
    name = f"{request.space.name}-{time.strftime('%Y%m%d-%H%M%S')}-{uuid4().hex[:4]}"
    with ExitStack() as stack, interruptible():
        with held():  # Until it is known which run is to be ended.
            tracked = _begin_parent(request, config, name)
            stack.enter_context(_ended_in_order(request, config, name, tracked, say))
            keep_sweep(config.storage.root / name, request, config, tracked)
        return _fit(request, config, name, tracked, say, resume=False)


def resume_sweep(request: SweepRequest, name: str, say: Callable[[str], None]) -> SweepOutcome:
    """Go on with a sweep that was interrupted: finished trials stay, the others continue."""
    request, config, tracked = begun_sweep(request, base_config(request), name)
    check_resources(request, config)
    with _ended_in_order(request, config, name, tracked, say), interruptible():
        return _fit(request, config, name, tracked, say, resume=True)


@contextmanager
def _ended_in_order(
    request: SweepRequest, config: ExperimentConfig, name: str, tracked: Tracked, say: Callable[[str], None]
) -> Iterator[None]:
    """Mark the run of a sweep that a signal or an error ends, and say how to go on."""
    try:
        yield
    except KeyboardInterrupt:
        with on_signal(lambda: None):  # That much patience is asked for, and no more.
            _end_parent(tracked, name, "KILLED", say)
            _end_trials(tracked, config.storage.root / name / TRIALS)
        begun = (config.storage.root / name / "tune").exists()  # Else there is nothing to go on with.
        say("interrupted" + (f"; go on with {_resuming(request.command, name)}" if begun else ""))
        raise
    except BaseException:
        with on_signal(lambda: None):
            _end_parent(tracked, name, "FAILED", say)
            _end_trials(tracked, config.storage.root / name / TRIALS)
        raise


def _fit(
    request: SweepRequest,
    config: ExperimentConfig,
    name: str,
    tracked: Tracked,
    say: Callable[[str], None],
    resume: bool,
) -> SweepOutcome:
    from ray import tune

    from profl_ray.tuning.search import make_scheduler, param_space, placement_group, search_algorithm
    from profl_ray.tuning.trial import ProFLTrial, SweepContext
    from profl_ray.tuning.view import SweepView

    space = request.space
    assert request.search is not None and request.scheduler is not None, "the request is resolved"
    folder = config.storage.root / name
    context = SweepContext(config, space, folder, tracked)
    trainable = tune.with_resources(
        tune.with_parameters(ProFLTrial, context=context),
        lambda settings: placement_group(space.configure(config, decode(settings))),
    )
    say(f"sweep {name}: {request.num_trials} trials of {config.recipe}, {space.description}")

    def settle(trial_id: str) -> bool:
        """Mark the run of a trial that waited, and does not go on, as stopped."""
        trial = RunFolder(folder / TRIALS / trial_id)
        if tracked.uri is None or not trial.exists:
            return True
        return end_waiting(tracked.uri, str(trial.facts().get("mlflow_run_id")))

    view = SweepView(request.num_trials, say, settle)

    def restored() -> tune.Tuner:
        tune_folder = str(folder / "tune")
        return tune.Tuner.restore(tune_folder, trainable, resume_unfinished=True, resume_errored=True)

    if resume:
        tuner = restored()
    else:
        algorithm = search_algorithm(request.search, config.seed, request.max_concurrent)
        tuner = tune.Tuner(
            trainable,
            param_space=param_space(space, request.search),
            tune_config=tune.TuneConfig(
                num_samples=request.num_samples or 1,
                search_alg=algorithm,
                scheduler=make_scheduler(
                    request.scheduler,
                    folder / TRIALS,
                    algorithm,
                    request.num_trials,
                    request.max_concurrent,
                ),
                max_concurrent_trials=request.max_concurrent,
                reuse_actors=True,
            ),
            run_config=tune.RunConfig(
                name="tune",
                storage_path=str(folder),
                verbose=0,
                callbacks=[view],
                # A trial whose process or node is lost goes on elsewhere from its own last round.
                failure_config=tune.FailureConfig(max_failures=MAX_TRIAL_FAILURES),
                # A trial is saved only to wait; one that ends, or is stopped, is not.
                checkpoint_config=tune.CheckpointConfig(num_to_keep=1, checkpoint_at_end=False),
            ),
        )
    with tune_stops_on_signal() as interruption:
        results = fit(tuner, restored, say, interruption)
    if interruption.requested:
        raise Interrupted
    outcome = SweepOutcome.of(results, name, folder, tracked, config.tracking.experiment)
    best_tags = {"best." + key: json.dumps(value) for key, value in outcome.best_settings.items()}
    summary = {
        "final_accuracy": outcome.best_accuracy,
        "num_trials": outcome.num_trials,
        "num_failed": outcome.num_failed,
    }
    with held():
        _end_parent(tracked, name, "FAILED" if outcome.num_failed else "FINISHED", say, summary, best_tags)
    metrics = [results[index].metrics or {} for index in range(len(results))]
    refusals = [values["refusal"] for values in metrics if values.get("refusal")]
    if refusals and outcome.best_accuracy is None:
        raise UserError(f"none of the {outcome.num_trials} trials could be trained; the first: {refusals[0]}")
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
    """Return the command that goes on with a sweep: its recipe and its storage must be named again."""
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
