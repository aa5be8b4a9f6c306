"""The whole experiment as one validated tree."""

from pathlib import Path
from typing import Self

from pydantic import Field, NonNegativeInt

from profl_ray.errors import UserError
from profl_ray.plugins import absolute
from profl_ray.sections.base import Section
from profl_ray.sections.data import DataConfig
from profl_ray.sections.federation import FederationConfig
from profl_ray.sections.learning import FreezingConfig, ModelConfig, TrainingConfig
from profl_ray.sections.platform import EvaluationConfig, FleetConfig, StorageConfig, TrackingConfig
from profl_ray.sections.strategy import StrategyConfig

RECIPE_PATTERN = r"^[A-Za-z0-9][A-Za-z0-9 ._-]*$"


class ExperimentConfig(Section):
    """Everything that determines a run, and where it runs."""

    recipe: str = Field(
        "custom",
        pattern=RECIPE_PATTERN,
        json_schema_extra={
            "words": "text of letters A to z, digits, spaces, '.', '_' and '-', a letter or digit first"
        },
    )
    """Name of the recipe that this experiment started from."""
    description: str = ""
    """What the recipe shows and what it should give."""
    seed: NonNegativeInt = 42
    """Root seed of every random stream."""
    data: DataConfig = Field(default_factory=DataConfig)
    federation: FederationConfig = Field(default_factory=FederationConfig)
    model: ModelConfig = Field(default_factory=ModelConfig)
    strategy: StrategyConfig = Field(default_factory=StrategyConfig)
    training: TrainingConfig = Field(default_factory=TrainingConfig)
    freezing: FreezingConfig = Field(default_factory=FreezingConfig)
    fleet: FleetConfig = Field(default_factory=FleetConfig)
    evaluation: EvaluationConfig = Field(default_factory=EvaluationConfig)
    tracking: TrackingConfig = Field(default_factory=TrackingConfig)
    storage: StorageConfig = Field(default_factory=StorageConfig)

    def with_absolute_paths(self) -> Self:
        """Return the same experiment with absolute paths: a trial's working folder is not the user's."""
        data, federation, strategy = self.data, self.federation, self.strategy
        quotas = federation.quotas
        split = data.split.model_copy(update={"name": absolute(data.split.name)})
        names = {"name": absolute(strategy.name), "plugins": tuple(map(absolute, strategy.plugins))}
        return self.model_copy(
            update={
                "data": data.model_copy(
                    update={"name": absolute(data.name), "root": _absolute(data.root), "split": split}
                ),
                "model": self.model.model_copy(update={"name": absolute(self.model.name)}),
                "strategy": strategy.model_copy(update=names),
                "federation": federation.model_copy(
                    update={"quotas": quotas.model_copy(update={"path": _absolute(quotas.path)})}
                ),
                "storage": self.storage.model_copy(update={"root": _absolute(self.storage.root)}),
            }
        )


def _absolute(path: Path | None) -> Path | None:
    try:
        return None if path is None else path.expanduser().absolute()
    except RuntimeError:
        raise UserError(f"{path}: there is no such user on this machine") from None
