"""What a user asks of a sweep, and whether it can be had."""

from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import suppress
from dataclasses import dataclass, replace
from typing import Any, TypeVar

from profl_ray.cluster.nodes import alive_nodes
from profl_ray.cluster.placing import Node
from profl_ray.cluster.resources import check_trial
from profl_ray.config import DataConfig, ExperimentConfig, ModelConfig
from profl_ray.config.load import load_experiment, split_override
from profl_ray.errors import NotHere, UserError
from profl_ray.models import balanced_partition, check_partition, find_family
from profl_ray.server.experiment import assemble
from profl_ray.tuning.domains import check_space
from profl_ray.tuning.names import check_names
from profl_ray.tuning.plan import planned_settings
from profl_ray.tuning.space import Scheduler, Search, SearchSpace

T = TypeVar("T")
NUM_DRAWN = 8
"""Settings that are drawn to see whether any can be trained."""


@dataclass(frozen=True)
class SweepRequest:
    """What a user asked for."""

    space: SearchSpace
    overrides: tuple[str, ...] = ()
    search: Search | None = None
    """None, here and below: as the space, or the sweep that is resumed, has it."""
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
        """How the space is searched, as JSON-ready values: it cannot be changed when a sweep is resumed."""
        names = ("search", "scheduler", "num_samples", "max_concurrent")
        return {name: getattr(self, name) for name in names}

    @property
    def num_trials(self) -> int:
        """Trials of the sweep."""
        return self.num_samples or len(self.space.grid())


def base_config(request: SweepRequest) -> ExperimentConfig:
    """Return the configuration that the trials share; UserError if the space cannot be swept.

    A grid of which some settings do not go together is swept: those are n/a. If all are so, it is a mistake.
    """
    space = request.space
    plugins = check_names(space, request.overrides)
    for override in request.overrides:
        key, _ = split_override(override)
        if key in space.parameters:
            raise UserError(
                f"{override}: the space {space.name!r} sweeps {key}, so a value for all trials has no effect "
                "(write a space of your own in tune_spaces/)"
            )
    config = load_experiment(space.recipe, [*space.overrides, *request.overrides, *plugins])
    config = config.with_absolute_paths()
    check_space(space, type(config))
    if _search(request) == "grid":
        _check_some(
            space.grid(),
            lambda settings: _check_partition(space.configure(config, settings).model),
            "the first of {} settings; none makes an experiment",
        )
    return config


def trial_configs(request: SweepRequest, config: ExperimentConfig) -> list[ExperimentConfig]:
    """Return the configuration of every trial of a grid; of other searches, what the trials start from.

    Settings that do not go together have none.
    """
    if _search(request) != "grid":
        return [config]
    configs = []
    for settings in request.space.grid():
        with suppress(UserError):  # That trial is n/a, and says why.
            configs.append(request.space.configure(config, settings))
    return configs


def check_resources(
    request: SweepRequest, config: ExperimentConfig, nodes: Sequence[Node] | None = None
) -> None:
    """Raise UserError if the nodes (None: the connected cluster's) can never hold any trial of a grid.

    Of other searches: what the trials start from. Other settings that find no room are n/a.
    """
    present = alive_nodes() if nodes is None else nodes
    configs = trial_configs(request, config)
    _check_some(
        configs, lambda trial: check_trial(trial, present), "the first of {} settings; none finds room"
    )


def check_trainable(request: SweepRequest, config: ExperimentConfig) -> None:
    """Put trials together until one can be trained; raise the first one's error if none can.

    So a mistake that all share shows before anything is written. Where settings are drawn, some that could
    be drawn are looked at when what they start from cannot be trained.
    """
    absent: list[DataConfig] = []

    def check(trial: ExperimentConfig) -> None:
        if trial.data in absent:
            raise NotHere("it was not there before")  # Not looked for, or downloaded, again.
        try:
            experiment = assemble(trial)
        except NotHere:
            absent.append(trial.data)
            raise
        experiment.check_affordable(experiment.step_needs(experiment.make_strategy()))

    if _search(request) == "grid":
        what = "the first of {} settings; none can be trained"
    else:
        what = (
            "what the trials start from, the first of {} settings that were tried, the others drawn from the "
        )
        what += "space; none can be trained"
    _check_some(_candidates(request, config), check, what)


def _search(request: SweepRequest) -> Search:
    return request.search or request.space.search


def _candidates(request: SweepRequest, config: ExperimentConfig) -> Iterator[ExperimentConfig]:
    yield from trial_configs(request, config)
    space = request.space
    if _search(request) != "grid":
        # Those of a random search; Optuna's are not known beforehand.
        num_drawn = request.num_trials if _search(request) == "random" else NUM_DRAWN
        for settings in planned_settings(space, "random", num_drawn, config.seed, type(config)) or ():
            with suppress(UserError):
                yield space.configure(config, settings)


def _check_some(candidates: Iterable[T], check: Callable[[T], object], none_passed: str) -> None:
    """Return if some candidate passes `check`; else raise the first one's error.

    none_passed: added to it, with their number, where there were several. No candidates, no error.
    """
    first: UserError | None = None
    number = 0
    for candidate in candidates:
        number += 1
        try:
            check(candidate)
        except UserError as error:
            first = first or error
        else:
            return
    if first is not None:
        raise first if number == 1 else type(first)(f"{first} ({none_passed.format(number)})")


def _check_partition(model: ModelConfig) -> None:
    stages = find_family(model.name).stages
    if isinstance(model.partition, int):
        balanced_partition([1.0] * sum(stages), model.partition)
    else:
        check_partition(model.partition, stages, model.name)
