"""What a user asks of a sweep, and whether it can be had."""

from dataclasses import dataclass, replace
from typing import Any

from profl_ray.config import ExperimentConfig, ModelConfig
from profl_ray.config.load import load_experiment, parse_override
from profl_ray.errors import Unaffordable, UserError
from profl_ray.fleet.resources import alive_nodes, check_cluster
from profl_ray.models import balanced_partition, check_partition, find_family
from profl_ray.server.experiment import assemble
from profl_ray.tuning.space import Scheduler, Search, SearchSpace


@dataclass(frozen=True)
class SweepRequest:
    """What a user asked for."""

    space: SearchSpace
    overrides: tuple[str, ...] = ()
    search: Search | None = None
    """None, here and below: as the space, or the sweep that is gone on with, has it."""
    scheduler: Scheduler | None = None
    num_samples: int | None = None
    max_concurrent: int | None = None
    """Trials at the same time; None: as many as find room."""
    command: str = ""
    """The command line, noted so that the sweep can be repeated."""

    def resolved(self) -> "SweepRequest":
        """Return the request with the space's own choices in the place of None.

        Raises UserError for a number of samples where every combination is tried once.
        """
        search = self.search or self.space.search
        if search == "grid" and self.num_samples is not None:
            raise UserError(
                f"--num-samples {self.num_samples}: the space {self.space.name!r} is searched as a grid, "
                "every combination once (allowed with --search random or optuna)"
            )
        num_samples = None if search == "grid" else self.num_samples or self.space.num_samples
        scheduler = self.scheduler or self.space.scheduler
        return replace(self, search=search, scheduler=scheduler, num_samples=num_samples)

    @property
    def options(self) -> dict[str, Any]:
        """How the space is searched, as JSON-ready values: it cannot be changed when a sweep goes on."""
        names = ("search", "scheduler", "num_samples", "max_concurrent")
        return {name: getattr(self, name) for name in names}

    @property
    def num_trials(self) -> int:
        """Trials of the sweep."""
        return self.num_samples or len(self.space.grid())


def base_config(request: SweepRequest) -> ExperimentConfig:
    """Return the configuration that the trials share; checks every combination of a grid."""
    space = request.space
    for override in request.overrides:
        key, _ = parse_override(override)
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


def trial_configs(request: SweepRequest, config: ExperimentConfig) -> list[ExperimentConfig]:
    """Return the configuration of every trial of a grid; of other searches, what the trials start from."""
    if (request.search or request.space.search) == "grid":
        return [request.space.configure(config, settings) for settings in request.space.grid()]
    return [config]


def check_resources(request: SweepRequest, config: ExperimentConfig) -> None:
    """Raise UserError if the connected cluster can never hold some trial."""
    nodes = alive_nodes()
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


def _check_partition(model: ModelConfig) -> None:
    stages = find_family(model.name).stages
    if isinstance(model.partition, int):
        balanced_partition([1.0] * sum(stages), model.partition)
    else:
        check_partition(model.partition, stages, model.name)
