"""A sweep: one Tune experiment, one MLflow parent run, one folder that everything can go on from."""

import json
import time
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any
from uuid import uuid4

from profl_ray.config import ExperimentConfig, ModelConfig
from profl_ray.config.load import from_yaml, load_experiment, resumed_config, to_yaml
from profl_ray.errors import Unaffordable, UserError
from profl_ray.models import balanced_partition, check_partition, find_family
from profl_ray.secrecy import masked, plain_name
from profl_ray.server.durable import write_durably
from profl_ray.server.experiment import assemble
from profl_ray.server.run_folder import RunFolder
from profl_ray.tracking import (
    RunWriter,
    Status,
    end_waiting,
    flat_params,
    prepare_store,
    resolve_uri,
    start_parent,
)
from profl_ray.tuning.fitting import fit
from profl_ray.tuning.interrupt import tune_stops_on_signal
from profl_ray.tuning.outcome import SweepOutcome
from profl_ray.tuning.resources import check_cluster, placement_group
from profl_ray.tuning.space import Scheduler, Search, SearchSpace, decode

MAX_TRIAL_FAILURES = 3


@dataclass(frozen=True)
class SweepRequest:
    """What a user asked for."""

    space: SearchSpace
    overrides: tuple[str, ...] = ()
    search: Search | None = None
    scheduler: Scheduler | None = None
    num_samples: int | None = None
    max_concurrent: int | None = None
    command: str = ""
    """The command line, noted so that the sweep can be repeated."""


def base_config(request: SweepRequest) -> ExperimentConfig:
    """Return the configuration that the trials share; checks every combination of a grid."""
    space = request.space
    for override in request.overrides:
        key = override.partition("=")[0]
        if key in space.parameters:
            raise UserError(
                f"{override}: the space {space.name!r} sweeps {key}, so a value for all trials has no effect "
                "(write a space of your own in tune_spaces/)"
            )
    config = load_experiment(space.recipe, [*space.overrides, *request.overrides]).with_absolute_paths()
    if (request.search or space.search) == "grid":
        for settings in space.grid():
            _check_partition(space.configure(config, settings).model)
    return config


def _check_partition(model: ModelConfig) -> None:
    stages = find_family(model.name).stages
    if isinstance(model.partition, int):
        balanced_partition([1.0] * sum(stages), model.partition)
    else:
        check_partition(model.partition, stages, model.name)


def run_sweep(request: SweepRequest, say: Callable[[str], None]) -> SweepOutcome:
    """Run a new sweep on the Ray that this process is connected to."""
    config = base_config(request)
    root = config.storage.root
    _check_resources(request, config)
    check_trainable(request, config)
    name = f"{request.space.name}-{time.strftime('%Y%m%d-%H%M%S')}-{uuid4().hex[:4]}"
    folder = root / name
    uri = experiment_id = parent = None
    if config.tracking.enabled:
        uri = resolve_uri(config)
        experiment_id = prepare_store(uri, config.tracking.experiment, root)
    if uri is not None:
        parent = start_parent(
            uri,
            experiment_id or "",
            name,
            flat_params(config.model_dump(mode="json")),
            {"profl_ray.space": request.space.name, "profl_ray.command": request.command},
            request.space.description,
        )
    folder.mkdir(parents=True)
    state = {"experiment_id": experiment_id, "parent_run_id": parent, "uri": uri}
    write_durably(folder / "config.yaml", to_yaml(config).encode())
    kept = state | request.space.identity | {"uri": masked(uri) if uri else None}
    write_durably(folder / "sweep.json", json.dumps(kept).encode())
    return _fit(request, config, name, state, say, resume=False)


def resume_sweep(request: SweepRequest, name: str, say: Callable[[str], None]) -> SweepOutcome:
    """Go on with a sweep that was interrupted: finished trials stay, the others continue."""
    asked = base_config(request)
    folder = asked.storage.root / plain_name("--resume", name)
    try:
        state = json.loads((folder / "sweep.json").read_text())
    except FileNotFoundError:
        raise UserError(f"--resume {name}: there is no such sweep in {folder.parent}") from None
    if state["space"] != request.space.name:
        raise UserError(f"--resume {name}: that sweep is of the space {state['space']!r}")
    for part, now in request.space.identity.items():
        if state[part] != json.loads(json.dumps(now)):
            raise UserError(
                f"--resume {name}: its {part} were {json.dumps(state[part])}, now {json.dumps(now)}"
            )
    if not (folder / "tune").exists():
        raise UserError(f"--resume {name}: it was interrupted before its first trial; start it anew")
    path = folder / "config.yaml"
    config = from_yaml(path.read_text(), source=str(path))
    config = resumed_config(config, asked, request.overrides, f"--resume {name}")
    _check_resources(request, config)
    state["uri"] = _same_uri(config, state["uri"], name)
    return _fit(request, config, name, state, say, resume=True)


def _same_uri(config: ExperimentConfig, kept: str | None, name: str) -> str | None:
    """Return the tracking URI that the sweep was begun with; its password was not kept."""
    if kept is None or kept == masked(kept):
        return kept
    now = resolve_uri(config)
    if masked(now) != kept:
        raise UserError(
            f"--resume {name}: it is tracked in {kept}, now MLFLOW_TRACKING_URI is {masked(now)}: "
            "set it as before"
        )
    return now


def trial_configs(request: SweepRequest, config: ExperimentConfig) -> list[ExperimentConfig]:
    """Return the configuration of every trial of a grid; of other searches, what the trials start from."""
    if (request.search or request.space.search) == "grid":
        return [request.space.configure(config, settings) for settings in request.space.grid()]
    return [config]


def _check_resources(request: SweepRequest, config: ExperimentConfig) -> None:
    import ray

    nodes = [node["Resources"] for node in ray.nodes() if node["Alive"]]
    for trial in trial_configs(request, config):
        check_cluster(trial, nodes)


def check_trainable(request: SweepRequest, config: ExperimentConfig) -> None:
    """Put trials together until one can be trained; raise the first one's error if none can.

    So a mistake that all share shows before anything is written.
    """
    first: Unaffordable | None = None
    for trial in trial_configs(request, config):
        try:
            experiment = assemble(trial)
            experiment.check_affordable(experiment.step_needs(experiment.make_strategy()))
        except Unaffordable as error:
            first = first or error
        else:
            return
    assert first is not None
    raise first


def _fit(
    request: SweepRequest,
    config: ExperimentConfig,
    name: str,
    state: dict[str, Any],
    say: Callable[[str], None],
    resume: bool,
) -> SweepOutcome:
    from ray import tune

    from profl_ray.tuning.search import make_scheduler, param_space, search_algorithm
    from profl_ray.tuning.trial import TRIALS, ProFLTrial, SweepContext
    from profl_ray.tuning.view import SweepView

    space = request.space
    search = request.search or space.search
    num_samples = 1 if search == "grid" else request.num_samples or space.num_samples
    num_trials = len(space.grid()) if search == "grid" else num_samples
    folder = config.storage.root / name
    context = SweepContext(
        config, space, folder, state["uri"], state["experiment_id"] or "", state["parent_run_id"]
    )
    trainable = tune.with_resources(
        tune.with_parameters(ProFLTrial, context=context),
        lambda settings: placement_group(space.configure(config, decode(settings))),
    )
    say(f"sweep {name}: {num_trials} trials of {config.recipe}, {space.description}")

    def settle(trial_id: str) -> bool:
        """Mark the run of a trial that waited, and does not go on, as stopped."""
        trial = RunFolder(folder / TRIALS / trial_id)
        if state["uri"] is None or not trial.exists:
            return True
        return end_waiting(state["uri"], str(trial.facts().get("mlflow_run_id")))

    view = SweepView(num_trials, say, settle)

    def restored() -> tune.Tuner:
        tune_folder = str(folder / "tune")
        return tune.Tuner.restore(tune_folder, trainable, resume_unfinished=True, resume_errored=True)

    if resume:
        tuner = restored()
    else:
        algorithm = search_algorithm(search, config.seed, request.max_concurrent)
        tuner = tune.Tuner(
            trainable,
            param_space=param_space(space, search),
            tune_config=tune.TuneConfig(
                num_samples=num_samples,
                search_alg=algorithm,
                scheduler=make_scheduler(
                    request.scheduler or space.scheduler,
                    folder / TRIALS,
                    algorithm,
                    num_trials,
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
    try:
        with tune_stops_on_signal() as interruption:
            results = fit(tuner, restored, say, interruption)
        if interruption.requested:
            raise KeyboardInterrupt
    except KeyboardInterrupt:
        _end_parent(state, name, "KILLED")
        if (folder / "tune").exists():  # Else no trial had begun.
            say(f"interrupted; go on with {_resuming(request.command, name)}")
        raise
    except BaseException:
        _end_parent(state, name, "FAILED")
        raise
    outcome = SweepOutcome.of(results, name, folder, state, config.tracking.experiment)
    best_tags = {"best." + key: json.dumps(value) for key, value in outcome.best_settings.items()}
    summary = {
        "final_accuracy": outcome.best_accuracy,
        "num_trials": outcome.num_trials,
        "num_failed": outcome.num_failed,
    }
    _end_parent(state, name, "FAILED" if outcome.num_failed else "FINISHED", summary, best_tags)
    metrics = [results[index].metrics or {} for index in range(len(results))]
    refusals = [values["refusal"] for values in metrics if values.get("refusal")]
    if refusals and outcome.best_accuracy is None:
        raise UserError(f"none of the {outcome.num_trials} trials could be trained; the first: {refusals[0]}")
    return outcome


def _resuming(command: str, name: str) -> str:
    """Return the command that goes on with a sweep: its recipe and its storage must be named again."""
    option = f"--resume {name}"
    return command if option in command else f"{command} {option}".strip()


def _end_parent(
    state: dict[str, Any],
    name: str,
    status: Status,
    summary: dict[str, float | None] | None = None,
    tags: dict[str, str] | None = None,
) -> None:
    if state["uri"] is None or state["parent_run_id"] is None:
        return
    writer = RunWriter.start(state["uri"], "", name, {}, {}, run_id=state["parent_run_id"])
    writer.log_summary(summary or {}, tags)
    writer.finish(status)
